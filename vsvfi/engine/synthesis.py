"""From a request to the new frame's pixels: what depends on a frame or a window is computed once while it is cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.base import Request, recursion_depth, window_offsets
from vsvfi.engine.caches import OnceCache
from vsvfi.engine.checks import check_frames, unchanged
from vsvfi.engine.graphs import Graphs
from vsvfi.engine.lanes import Lane, Made

__all__ = ["Job", "Synthesis"]

type Key = int | tuple[Key, ...]
"""A frame: a source frame's number, or the midpoint of a window of frames."""

type Steps = tuple[Fraction, ...]

MIDDLE = Fraction(1, 2)

WATCHED = 4
"""Calls of a backend after which its window is compared with what it was; each costs two passes over the frames."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request, the lane in which it is worked on, and that lane's graphs."""

    request: Request
    lane: Lane
    graphs: Graphs

    def once[K: Key | tuple[tuple[Key, ...], Steps], V](
        self, cache: OnceCache[K, Made[V]], key: K, compute: Callable[[], V]
    ) -> V:
        """A shared value, made in this lane where it is not there."""
        return self.lane.use(cache.get(key, lambda: self.lane.made(compute())))


class Synthesis:
    """A backend with the results it has given.

    Args:
        backend: the backend, its network on its device.
        upload: gives a source frame of a request as a padded RGB tensor, in the job's lane.
        timesteps_after: the timesteps that the output has between a source frame and the next.
        graphs: those of each lane; as many requests may be worked on at once as there are lanes.
    """

    def __init__(
        self,
        backend: TorchBackend,
        *,
        upload: Callable[[int, Job], Tensor],
        timesteps_after: Callable[[int], Sequence[Fraction]],
        graphs: Mapping[Lane, Graphs],
    ) -> None:
        self.backend = backend
        self.graphs = graphs
        streams = len(graphs)
        self._upload = upload
        self._timesteps_after = timesteps_after
        self._window = backend.info.window
        self._middle = self._window.index(0)
        self._watched = 0
        frames = 2 * streams + 2 * len(self._window) + 2
        self._frames: OnceCache[Key, Made[Tensor]] = OnceCache(frames)
        self._encoded: OnceCache[Key, Made[Any]] = OnceCache(frames)
        self._prepared: OnceCache[tuple[Key, ...], Made[Any]] = OnceCache(streams + 1)
        self._results: OnceCache[tuple[tuple[Key, ...], Steps], Made[Tensor]] = OnceCache(streams + 1)

    def frame(self, job: Job) -> Tensor:
        """The requested frame, ``(1, 3, H, W)``, padded; good until the lane's next job."""
        request = job.request
        if request.t == 0:
            source = self._source(request.index[self._middle], job)
            frame = self.backend.source_frame(self._state(request.index, job), self._middle)
            return check_frames(self.backend.info, frame, 1, source)
        if self.backend.info.timesteps == "midpoint":
            return self._midpoint_frame(job)
        steps = self._batch(request)
        if len(steps) == 1:
            return self._synthesize(request.index, steps, job, kept=False)
        key = (request.index, steps)
        frames = job.once(self._results, key, lambda: self._synthesize(request.index, steps, job, kept=True))
        position = steps.index(request.t)
        return frames[position : position + 1]

    def _batch(self, request: Request) -> Steps:
        """The timesteps that are synthesized together with the requested one."""
        size = self.backend.timestep_batch
        steps = self._timesteps_after(request.index[self._middle]) if size > 1 else ()
        if request.t not in steps:
            return (request.t,)
        start = steps.index(request.t) // size * size
        return tuple(steps[start : start + size])

    def _synthesize(self, window: tuple[Key, ...], steps: Sequence[Fraction], job: Job, *, kept: bool) -> Tensor:
        sources = [self._source(key, job) for key in window]
        timesteps = job.lane.numbers([float(t) for t in steps])
        self._watched += 1
        with unchanged(self.backend.info, sources) if self._watched <= WATCHED else nullcontext():
            state = self._state(window, job)
            frames: Tensor = job.graphs.run("synthesize", self.backend.synthesize, state, timesteps, kept=kept)
        return check_frames(self.backend.info, frames, len(steps), sources[0])

    def _state(self, window: tuple[Key, ...], job: Job) -> Any:
        return job.once(self._prepared, window, lambda: self._prepare(window, job))

    def _prepare(self, window: tuple[Key, ...], job: Job) -> Any:
        frames = [self._source(key, job) for key in window]
        encoded = [
            job.once(self._encoded, key, lambda frame=frame: self._encode(frame, job))  # type: ignore[misc]
            for key, frame in zip(window, frames, strict=True)
        ]
        return job.graphs.run("prepare", self.backend.prepare, frames, encoded, kept=True)

    def _encode(self, frame: Tensor, job: Job) -> Any:
        return job.graphs.run("encode", self.backend.encode, frame, kept=True)

    def _source(self, key: Key, job: Job) -> Tensor:
        """A source frame, or a midpoint that serves as one."""
        if isinstance(key, int):
            return job.once(self._frames, key, lambda: self._upload(key, job))
        return job.once(self._frames, key, lambda: self._synthesize(key, [MIDDLE], job, kept=True).float())

    def _midpoint_frame(self, job: Job) -> Tensor:
        request = job.request
        depth = recursion_depth(request.t)
        if depth is None:
            raise ValueError(f"timestep {request.t} is out of reach of midpoints")
        if depth == 1 and len(request.index) == len(self._window):
            return self._source(request.index, job)
        return self._source(self._key(request, depth, request.t.numerator), job)

    def _key(self, request: Request, depth: int, k: int) -> Key:
        """The frame at ``k / 2**depth`` of the way from the frame before the new one to the next."""
        if depth == 0:
            offsets = window_offsets(self.backend.info, 1 if len(request.index) == len(self._window) else 2)
            return request.index[offsets.index(min(max(k, offsets[0]), offsets[-1]))]
        left, odd = divmod(k, 2)
        if not odd:
            return self._key(request, depth - 1, left)
        window = tuple(self._key(request, depth - 1, left + offset) for offset in self._window)
        # Nothing lies between a frame and itself (where a window was confined to its scene).
        return window[self._middle] if window[self._middle] == window[self._middle + 1] else window
