"""Drives a backend over windows of frames; the filter calls `Engine.render` for each frame to make. No torch here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.caches import OnceCache
from vsvfi.engine.frames import check_finite, new_frame, plane_frame, writable_planes
from vsvfi.models.info import BackendInfo, PlaneBackend, PlaneFrame

__all__ = ["Engine", "PlaneEngine", "Request", "recursion_depth", "window_offsets"]


@dataclass(frozen=True, slots=True)
class Request:
    """One new frame: the source frames of its window (``index`` says which) and its timestep in [0, 1).

    A timestep of 0 asks for the source frame before it as the model returns it; ``index`` then repeats that frame
    where there is no other.
    """

    n: int
    index: tuple[int, ...]
    t: Fraction
    frames: Mapping[int, vs.VideoFrame]


def recursion_depth(t: Fraction) -> int | None:
    """How many times a midpoint has to be halved to reach ``t``, or None where halving never does."""
    depth = t.denominator.bit_length() - 1
    return depth if t.denominator == 1 << depth else None


def window_offsets(info: BackendInfo, depth: int) -> tuple[int, ...]:
    """The source frames needed, relative to the one before the new frame, where midpoints are halved ``depth`` times.

    A wider window than two frames needs midpoints beside the pair as well: one more source frame on each side.
    """
    first, last = info.window[0], info.window[-1]
    if depth > 1 and (first, last) != (0, 1):
        first, last = first - 1, last + 1
    return tuple(range(first, last + 1))


class Engine(ABC):
    """What the filter needs of any kind of backend."""

    def __init__(self, info: BackendInfo, core: vs.Core) -> None:
        self.info = info
        self.core = core

    @abstractmethod
    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame."""


class PlaneEngine(Engine):
    """Drives a backend that works on native planes; every calling thread works on its own frame."""

    def __init__(self, info: BackendInfo, backend: PlaneBackend, core: vs.Core) -> None:
        super().__init__(info, core)
        self.backend = backend
        threads = core.num_threads
        self._encoded: OnceCache[int, tuple[PlaneFrame, Any]] = OnceCache(4 * threads + 2 * len(info.window))
        self._prepared: OnceCache[tuple[int, ...], Any] = OnceCache(2 * threads + 2)

    def _encode(self, n: int, frame: vs.VideoFrame) -> tuple[PlaneFrame, Any]:
        planes = plane_frame(frame)
        check_finite(planes, n)
        return planes, self.backend.encode(planes)

    def _prepare(self, request: Request) -> Any:
        parts = [self._encoded.get(k, lambda k=k: self._encode(k, request.frames[k])) for k in request.index]  # type: ignore[misc]
        return self.backend.prepare([frame for frame, _ in parts], [encoded for _, encoded in parts])

    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame."""
        state = self._prepared.get(request.index, lambda: self._prepare(request))
        frame = new_frame(self.core, request.frames[request.index[0]], self.info.spatial_scale)
        self.backend.synthesize(state, request.t, writable_planes(frame))
        return frame
