"""Drives torch networks: device, precision, padding, recursion, and a retreat into tiles where memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, override

import torch
import torch.nn.functional as F
import vapoursynth as vs
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.base import Engine, Request, recursion_depth, window_offsets
from vsvfi.engine.caches import OnceCache, Turnstile
from vsvfi.engine.color import rgb_to_planes, to_rgb
from vsvfi.engine.frames import check_finite, new_frame, plane_frame, read_color, writable_planes
from vsvfi.engine.memory import is_out_of_memory
from vsvfi.engine.precision import running_in
from vsvfi.engine.tiles import in_tiles
from vsvfi.models.info import BackendInfo
from vsvfi.models.padding import padding

__all__ = ["TorchEngine"]

type Key = int | tuple[Key, ...]
"""A frame: a source frame's number, or the midpoint of a window of frames."""

MIDDLE = Fraction(1, 2)


class _Synthesis:
    """A backend with the results it has given: what depends on a frame or a window is computed once while cached.

    Args:
        backend: the backend, its network on its device.
        upload: gives a source frame of a request as a padded RGB tensor.
        timesteps_after: the timesteps that the output has between a source frame and the next.
        streams: how many requests may be worked on at once.
    """

    def __init__(
        self,
        backend: TorchBackend,
        *,
        upload: Callable[[int, Request], Tensor],
        timesteps_after: Callable[[int], Sequence[Fraction]],
        streams: int,
    ) -> None:
        self.backend = backend
        self._upload = upload
        self._timesteps_after = timesteps_after
        self._window = backend.info.window
        self._middle = self._window.index(0)
        frames = 2 * streams + 2 * len(self._window) + 2
        self._frames: OnceCache[Key, Tensor] = OnceCache(frames)
        self._encoded: OnceCache[Key, Any] = OnceCache(frames)
        self._prepared: OnceCache[tuple[Key, ...], Any] = OnceCache(streams + 1)
        self._results: OnceCache[tuple[tuple[Key, ...], tuple[Fraction, ...]], Tensor] = OnceCache(streams + 1)

    def frame(self, request: Request) -> Tensor:
        """The requested frame, ``(1, 3, H, W)``, padded."""
        if request.t == 0:
            return self.backend.source_frame(self._state(request.index, request), self._middle)
        if self.backend.info.timesteps == "midpoint":
            return self._midpoint_frame(request)
        steps = self._batch(request)
        frames = self._results.get((request.index, steps), lambda: self._synthesize(request.index, steps, request))
        position = steps.index(request.t)
        return frames[position : position + 1]

    def _batch(self, request: Request) -> tuple[Fraction, ...]:
        """The timesteps that are synthesized together with the requested one."""
        size = self.backend.timestep_batch
        steps = self._timesteps_after(request.index[self._middle]) if size > 1 else ()
        if request.t not in steps:
            return (request.t,)
        start = steps.index(request.t) // size * size
        return tuple(steps[start : start + size])

    def _synthesize(self, window: tuple[Key, ...], steps: Sequence[Fraction], request: Request) -> Tensor:
        state = self._state(window, request)
        device = self._source(request.index[0], request).device
        return self.backend.synthesize(state, torch.tensor([float(t) for t in steps], device=device))

    def _state(self, window: tuple[Key, ...], request: Request) -> Any:
        return self._prepared.get(window, lambda: self._prepare(window, request))

    def _prepare(self, window: tuple[Key, ...], request: Request) -> Any:
        frames = [self._source(key, request) for key in window]
        encoded = [
            self._encoded.get(key, lambda frame=frame: self.backend.encode(frame))  # type: ignore[misc]
            for key, frame in zip(window, frames, strict=True)
        ]
        return self.backend.prepare(frames, encoded)

    def _source(self, key: Key, request: Request) -> Tensor:
        """A source frame, or a midpoint that serves as one."""
        if isinstance(key, int):
            return self._frames.get(key, lambda: self._upload(key, request))
        return self._frames.get(key, lambda: self._synthesize(key, [MIDDLE], request).float())

    def _midpoint_frame(self, request: Request) -> Tensor:
        depth = recursion_depth(request.t)
        if depth is None:
            raise ValueError(f"timestep {request.t} is out of reach of midpoints")
        if depth == 1 and len(request.index) == len(self._window):
            return self._source(request.index, request)
        return self._source(self._key(request, depth, request.t.numerator), request)

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
        self._whole = backend
        self._device = device
        self._dtype = dtype
        self._tile = tile
        self._streams = streams
        self._timesteps_after = timesteps_after
        self._warn = warn
        self._retreating = threading.Lock()
        self._turnstile = Turnstile(streams)
        self._synthesis = self._start()

    def _start(self) -> _Synthesis:
        return _Synthesis(
            self._whole if self._tile is None else in_tiles(self._whole, self._tile),
            upload=self._upload,
            timesteps_after=self._timesteps_after,
            streams=self._streams,
        )

    @override
    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame; where memory runs out, in smaller and smaller tiles."""
        with (
            self._turnstile.entered(request.index, request.n),
            torch.inference_mode(),
            running_in(self._dtype, self._device),
        ):
            while True:
                synthesis = self._synthesis
                try:
                    return self._download(synthesis.frame(request), request)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    self._retreat(synthesis, request, error)

    def _retreat(self, failed: _Synthesis, request: Request, error: Exception) -> None:
        with self._retreating:
            if self._synthesis is not failed:
                return  # another thread was here before
            frame = request.frames[request.index[0]]
            height, width = self._tile or (frame.height, frame.width)
            smallest = max(128, 2 * self._whole.multiple)
            if max(height, width) <= smallest:
                raise error
            tile = (max(smallest, height // 2), max(smallest, width // 2))
            if self._tile is None:
                self._warn(
                    f"model {self.info.name!r} ran out of memory at {frame.width}x{frame.height}; going on in tiles of "
                    f"{tile[1]}x{tile[0]} (choose with tile=)"
                )
            self._tile = tile
            self._synthesis = self._start()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _upload(self, n: int, request: Request) -> Tensor:
        frame = request.frames[n]
        planes = plane_frame(frame)
        check_finite(planes, n)
        color = read_color(frame.props, planes.family, frame.width, frame.height)
        rgb = to_rgb(planes, color, self._device)
        margins = self._margins(frame)
        return F.pad(rgb, margins, mode="replicate") if any(margins) else rgb

    def _margins(self, frame: vs.VideoFrame) -> tuple[int, int, int, int]:
        """Left, right, top and bottom padding."""
        multiple, minimum, where = self._whole.multiple, self.info.minimum, self.info.padding
        left, right = padding(frame.width, multiple=multiple, minimum=minimum, where=where)
        top, bottom = padding(frame.height, multiple=multiple, minimum=minimum, where=where)
        return left, right, top, bottom

    def _download(self, padded: Tensor, request: Request) -> vs.VideoFrame:
        source = request.frames[request.index[0]]
        left, _, top, _ = self._margins(source)
        scale = self.info.spatial_scale
        rows = slice(top * scale, (top + source.height) * scale)
        columns = slice(left * scale, (left + source.width) * scale)
        planes = plane_frame(source)
        color = read_color(source.props, planes.family, source.width, source.height)
        frame = new_frame(self.core, source, scale)
        rgb_to_planes(padded[..., rows, columns], planes, color, writable_planes(frame))
        return frame
