"""Checkpoints as their authors publish them, for tests of the way that users' files take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vsvfi.models import registry, weights


def rename(
    state: Mapping[str, Tensor], rules: Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
) -> dict[str, Tensor]:
    """The tensors under their published names."""

    def published(name: str) -> str:
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return {published(name): value.clone() for name, value in state.items()}


def add(folder: Path, file: str, content: Any) -> weights.Stored:
    """Save what a published file holds and add it, letting its content say what it is."""
    path = folder / file
    torch.save(content, path)
    return weights.add(path)


def load(model: str) -> nn.Module:
    """The network that a user gets."""
    return weights.load(registry.find(model))


def assert_same(first: nn.Module, second: nn.Module) -> None:
    """Both networks have the same tensors."""
    ours, theirs = first.state_dict(), second.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, atol=0, rtol=0)
