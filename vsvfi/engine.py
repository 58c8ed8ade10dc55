"""Drives a backend over windows of frames: device, precision, padding, caches, recursion. The filter calls `render`."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from vsvfi.backend import BackendInfo, PlaneBackend, PlaneFrame
from vsvfi.caches import OnceCache, Turnstile
from vsvfi.frames import check_finite, new_frame, plane_frame, read_color, writable_planes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vsvfi.backends.base import TorchBackend

__all__ = ["Engine", "PlaneEngine", "Request", "TorchEngine", "recursion_depth", "window_offsets"]


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
        self._encoded: OnceCache[int, tuple[PlaneFrame, Any]] = OnceCache(threads + len(info.window))
        self._prepared: OnceCache[tuple[int, ...], Any] = OnceCache(threads + 1)

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


type Key = int | tuple[Key, ...]
"""A frame: a source frame's number, or the midpoint of a window of frames."""


class TorchEngine(Engine):
    """Drives a torch network, ``streams`` frames at a time.

    Args:
        info: what the backend is.
        backend: the backend, its network on ``device``.
        core: the core that frames are made in.
        device: where the network runs.
        dtype: the precision of convolutions; coordinates stay fp32.
        tile: the size of tiles (height, width), or None to start with whole frames.
        streams: how many frames may be worked on at once.
        timesteps_after: the timesteps that the output has between a source frame and the next.
        warn: called with a line for the user.
    """

    def __init__(
        self,
        info: BackendInfo,
        backend: TorchBackend,
        core: vs.Core,
        *,
        device: torch.device,
        dtype: torch.dtype,
        tile: tuple[int, int] | None,
        streams: int,
        timesteps_after: Callable[[int], Sequence[Fraction]],
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(info, core)
        self.whole = backend
        self.backend = backend
        self.device = device
        self.dtype = dtype
        self.tile = tile
        self.timesteps_after = timesteps_after
        self.warn = warn
        if tile is not None:
            self._use_tiles(tile)
        self._turnstile = Turnstile(streams)
        frames = 2 * streams + 2 * len(info.window) + 2
        self._frames: OnceCache[Key, Tensor] = OnceCache(frames)
        self._encoded: OnceCache[Key, Any] = OnceCache(frames)
        self._prepared: OnceCache[tuple[Key, ...], Any] = OnceCache(streams + 1)
        self._results: OnceCache[tuple[tuple[Key, ...], tuple[Fraction, ...]], Tensor] = OnceCache(streams + 1)

    def _use_tiles(self, tile: tuple[int, int]) -> None:
        from vsvfi.tiles import TiledBackend

        self.tile = tile
        self.backend = TiledBackend(self.whole, tile)

    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame; where memory runs out, in smaller and smaller tiles."""
        import torch

        while True:
            try:
                with self._turnstile.entered(request.index, request.n), torch.inference_mode(), self._precision():
                    return self._download(self._result(request), request)
            except RuntimeError as error:
                if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                    raise
                self._retreat(request, error)

    def _retreat(self, request: Request, error: Exception) -> None:
        import torch

        frame = next(iter(request.frames.values()))
        height, width = self.tile or (frame.height, frame.width)
        smallest = max(128, 2 * self.whole.multiple)
        if max(height, width) <= smallest or self.info.tiling == "internal":
            raise error
        tile = (max(smallest, height // 2), max(smallest, width // 2))
        if self.tile is None:
            self.warn(
                f"{self.info.name}: out of memory at {frame.width}x{frame.height}; going on in tiles of "
                f"{tile[1]}x{tile[0]} (set tile= to choose)"
            )
        self._use_tiles(tile)
        for cache in (self._encoded, self._prepared, self._results):
            cache.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        import torch

        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def _result(self, request: Request) -> Tensor:
        if request.t == 0:
            window = self._window(request, 0, 0) or (request.index[0],) * len(self.info.window)
            position = self.info.window.index(0)
            return self.whole_frame(window, position, request)
        if self.info.timesteps == "midpoint":
            depth = recursion_depth(request.t)
            assert depth is not None, "the filter lets no other timestep pass"
            return self._frame(self._midpoint(request, depth, request.t.numerator), request)
        window = tuple(request.index)
        steps = self._batch(request)
        frames = self._results.get((window, steps), lambda: self._synthesize(window, steps, request))
        position = steps.index(request.t)
        return frames[position : position + 1]

    def whole_frame(self, window: tuple[Key, ...], position: int, request: Request) -> Tensor:
        """A source frame as the model returns it."""
        state = self._state(window, request)
        return self.backend.source_frame(state, position)

    def _batch(self, request: Request) -> tuple[Fraction, ...]:
        """The timesteps that are synthesized together with the requested one."""
        size = self.backend.timestep_batch
        steps = self.timesteps_after(request.index[self.info.window.index(0)]) if size > 1 else []
        if request.t not in steps:
            return (request.t,)
        start = list(steps).index(request.t) // size * size
        return tuple(steps[start : start + size])

    def _synthesize(self, window: tuple[Key, ...], steps: Sequence[Fraction], request: Request) -> Tensor:
        import torch

        timesteps = torch.tensor([float(t) for t in steps], dtype=torch.float32, device=self.device)
        return self.backend.synthesize(self._state(window, request), timesteps)

    def _state(self, window: tuple[Key, ...], request: Request) -> Any:
        return self._prepared.get(window, lambda: self._prepare(window, request))

    def _prepare(self, window: tuple[Key, ...], request: Request) -> Any:
        frames = [self._frame(key, request) for key in window]
        encoded = [
            self._encoded.get(key, lambda frame=frame: self.backend.encode(frame))  # type: ignore[misc]
            for key, frame in zip(window, frames, strict=True)
        ]
        return self.backend.prepare(frames, encoded)

    def _midpoint(self, request: Request, depth: int, k: int) -> Key:
        """The frame at ``k / 2**depth`` of the way from the frame before the new one to the next."""
        if depth == 0:
            offsets = window_offsets(self.info, 1 + (len(request.index) > len(self.info.window)))
            return request.index[offsets.index(max(offsets[0], min(k, offsets[-1])))]
        if k % 2 == 0:
            return self._midpoint(request, depth - 1, k // 2)
        window = self._window(request, depth - 1, k // 2)
        left = self._midpoint(request, depth - 1, k // 2)
        return window or left

    def _window(self, request: Request, depth: int, k: int) -> tuple[Key, ...] | None:
        """The window around frames ``k`` and ``k + 1`` in steps of ``1 / 2**depth``; None between twins."""
        window = tuple(self._midpoint(request, depth, k + offset) for offset in self.info.window)
        middle = self.info.window.index(0)
        return None if window[middle] == window[middle + 1] else window

    def _frame(self, key: Key, request: Request) -> Tensor:
        """A source or midpoint frame as a padded tensor."""
        if isinstance(key, int):
            return self._frames.get(key, lambda: self._upload(key, request))
        return self._frames.get(key, lambda: self._synthesize(key, [Fraction(1, 2)], request).float())

    def _upload(self, n: int, request: Request) -> Tensor:
        from vsvfi.color import to_rgb

        frame = request.frames[n]
        planes = plane_frame(frame)
        check_finite(planes, n)
        color = read_color(frame.props, planes.family, frame.width, frame.height)
        return self._pad(to_rgb(planes, color, self.device))

    def _margins(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, right, top and bottom padding."""

        def split(length: int) -> tuple[int, int]:
            multiple = self.whole.multiple
            padded = -(-max(length, self.info.minimum) // multiple) * multiple
            before = (padded - length) // 2 if self.info.padding == "center" else 0
            return before, padded - length - before

        return (*split(width), *split(height))

    def _pad(self, rgb: Tensor) -> Tensor:
        import torch.nn.functional as F

        margins = self._margins(*rgb.shape[-2:])
        return F.pad(rgb, margins, mode="replicate") if any(margins) else rgb

    def _download(self, padded: Tensor, request: Request) -> vs.VideoFrame:
        from vsvfi.color import rgb_to_planes

        source = request.frames[request.index[self.info.window.index(0)] if request.t == 0 else request.index[0]]
        left, _, top, _ = self._margins(source.height, source.width)
        scale = self.info.spatial_scale
        rows = slice(top * scale, (top + source.height) * scale)
        columns = slice(left * scale, (left + source.width) * scale)
        planes = plane_frame(source)
        color = read_color(source.props, planes.family, source.width, source.height)
        frame = new_frame(self.core, source, scale)
        rgb_to_planes(padded[..., rows, columns], planes, color, writable_planes(frame))
        return frame
