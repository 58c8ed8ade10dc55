"""Models for the tests: cross-fades that count what they are asked for, and some that misbehave."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from vsvfi.models.info import BackendInfo, Options
from vsvfi.models.registry import hookimpl

CALLS: Counter[tuple[str, Any]] = Counter()
"""How often each function was asked for each frame, window or timestep, by the mean of the first plane."""

_LOCK = threading.Lock()


def _count(what: str, key: Any) -> None:
    with _LOCK:
        CALLS[what, key] += 1


class Fade:
    """Cross-fades native planes."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info

    def encode(self, frame: Any) -> float:
        mean = float(np.mean(frame.planes[0]))
        _count("encode", mean)
        return mean

    def prepare(self, window: Sequence[Any], encoded: Sequence[float]) -> Any:
        _count("prepare", tuple(encoded))
        return window, tuple(encoded)

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[Any]) -> None:
        window, key = state
        _count("synthesize", (key, timestep))
        middle = len(window) // 2
        for a, b, target in zip(window[middle - 1].planes, window[middle].planes, out, strict=True):
            mixed = a * (1 - float(timestep)) + b * float(timestep)
            target[...] = mixed if a.dtype.kind == "f" else np.rint(mixed)


class First:
    """The emptiest model: the first frame of the window."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info

    def encode(self, frame: Any) -> None:
        return None

    def prepare(self, window: Sequence[Any], encoded: Sequence[None]) -> Any:
        return window[0]

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[Any]) -> None:
        for plane, target in zip(state.planes, out, strict=True):
            target[...] = plane


class Broken(Fade):
    """Raises in the middle of the work."""

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[Any]) -> None:
        raise ZeroDivisionError("the numbers\nran out")


def _info(name: str, backend: str, **given: Any) -> BackendInfo:
    return BackendInfo(name=name, summary="for tests", backend=f"vsvfi_fade:{backend}", planes=True, **given)


@hookimpl
def vsvfi_backends() -> list[BackendInfo]:
    return [
        _info("fade", "Fade"),
        _info("fade-four", "Fade", window=(-1, 0, 1, 2)),
        _info("first", "First"),
        _info("broken", "Broken"),
        BackendInfo(name="torch-fade", summary="for tests", backend="vsvfi_torch_fade:TorchFade"),
        BackendInfo(name="torch-batch", summary="for tests", backend="vsvfi_torch_fade:BatchFade"),
        BackendInfo(
            name="torch-midpoint",
            summary="for tests",
            backend="vsvfi_torch_fade:TorchFade",
            timesteps="midpoint",
            multiple=32,
        ),
        BackendInfo(
            name="torch-four",
            summary="for tests",
            backend="vsvfi_torch_fade:TorchFade",
            timesteps="midpoint",
            window=(-1, 0, 1, 2),
        ),
        BackendInfo(
            name="torch-median",
            kind="enhance",
            summary="for tests",
            backend="vsvfi_torch_fade:Median",
            window=(-1, 0, 1),
        ),
        BackendInfo(name="torch-large", summary="for tests", backend="vsvfi_torch_fade:Larger", spatial_scale=4),
        BackendInfo(name="torch-hungry", summary="for tests", backend="vsvfi_torch_fade:Hungry", multiple=8),
        BackendInfo(
            name="torch-internal", summary="for tests", backend="vsvfi_torch_fade:InternallyTiled", tiling="internal"
        ),
    ]
