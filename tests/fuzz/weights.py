"""Damaged weights: real files of every kind, with bytes changed, cut, repeated or put in."""

from __future__ import annotations

import io
import json
import struct
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import save

__all__ = ["damaged"]


@cache
def _whole() -> tuple[tuple[bytes, str], ...]:
    state = {"moduleConv1.0.weight": torch.zeros(2, 3, 3, 3), "moduleConv1.0.bias": torch.zeros(2)}
    zipped, old = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": state, "epoch": 3}, zipped)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    return (save(state), ".safetensors"), (zipped.getvalue(), ".pth"), (old.getvalue(), ".pth")


@cache
def _headers() -> tuple[bytes, ...]:
    """Headers of safetensors that state what is not there."""
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    wrong: tuple[Any, ...] = (
        {"a": entry | {"shape": [2**62, 2**62]}},
        {"a": entry | {"shape": [-1, 3]}},
        {"a": entry | {"data_offsets": [24, 0]}},
        {"a": entry | {"data_offsets": [0, 2**63]}},
        {"a": entry | {"dtype": "F33"}},
        {"a": entry, "b": entry},
        {"a": []},
        {"__metadata__": {"complete": 3}},
        [],
        "text",
    )
    texts = [json.dumps(header).encode() for header in wrong]
    return tuple(struct.pack("<Q", size) + text + bytes(24) for text in texts for size in (len(text), 2**63, 0))


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """The bytes of a file that is no longer weights, and a suffix."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(_headers())), ".safetensors"
    whole, suffix = draw(st.sampled_from(_whole()))
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["change", "cut", "repeat", "insert"])):
            case "change" if content:
                content[at] = draw(st.integers(0, 255))
            case "cut":
                del content[at:]
            case "repeat":
                content[at:at] = content[: draw(st.integers(0, 200))]
            case _:
                content[at:at] = draw(st.binary(max_size=20))
    return bytes(content), draw(st.sampled_from([suffix, ".pth", ".safetensors", ".ckpt"]))
