"""Drives a backend that works on native planes. No torch here."""

from __future__ import annotations

from functools import partial
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import Engine, Request
from vsvfi.engine.caches import OnceCache
from vsvfi.engine.contract import MarkedPlanes
from vsvfi.engine.frames import check_finite, new_frame, plane_frame, writable_planes
from vsvfi.models.info import BackendInfo, PlaneBackend, PlaneFrame

__all__ = ["PlaneEngine"]


class PlaneEngine(Engine):
    """Runs a `PlaneBackend`; every calling thread works on its own frame."""

    def __init__(self, info: BackendInfo, backend: PlaneBackend, core: vs.Core) -> None:
        super().__init__(info, core)
        self.backend = backend
        threads = core.num_threads
        self._encoded: OnceCache[int, tuple[PlaneFrame, Any]] = OnceCache(4 * threads + 2 * len(info.window))
        self._prepared: OnceCache[tuple[int, ...], Any] = OnceCache(2 * threads + 2)

    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame."""
        state = self._prepared.get(request.index, partial(self._prepare, request))
        frame = new_frame(self.core, request.frames[request.index[0]], self.info.spatial_scale)
        planes = writable_planes(frame)
        marked = MarkedPlanes(planes)
        self.backend.synthesize(state, request.t, planes)
        marked.check(self.info, planes)
        return frame

    def _prepare(self, request: Request) -> Any:
        known = [self._encoded.get(k, partial(self._encode, k, request.frames[k])) for k in request.index]
        return self.backend.prepare([frame for frame, _ in known], [encoded for _, encoded in known])

    def _encode(self, n: int, frame: vs.VideoFrame) -> tuple[PlaneFrame, Any]:
        planes = plane_frame(frame)
        check_finite(planes, n)
        return planes, self.backend.encode(planes)
