"""Drives torch networks: device, precision, padding, lanes, and tiles where memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import override

import torch
import vapoursynth as vs
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.compiled.stages import is_enabled
from vsvfi.engine.base import Engine, Request
from vsvfi.engine.caches import Turnstile
from vsvfi.engine.color import layout_of, pack, unpack
from vsvfi.engine.contract import broken_contract
from vsvfi.engine.frames import check_finite, new_frame, plane_frame, read_color, writable_planes
from vsvfi.engine.graphs import CudaGraph, Graphs
from vsvfi.engine.lanes import Lane, stream_on
from vsvfi.engine.memory import is_out_of_memory
from vsvfi.engine.precision import running_in
from vsvfi.engine.selfcheck import is_trusted
from vsvfi.engine.synthesis import Job, Synthesis
from vsvfi.engine.tiles import in_tiles
from vsvfi.models.info import BackendInfo
from vsvfi.models.padding import padding
from vsvfi.ops.color import Margins, PlaneLayout, planes_to_rgb, rgb_to_planes

__all__ = ["TorchEngine"]


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
        own = is_enabled("lanes")
        self._lanes = tuple(Lane(stream_on(device, own=own)) for _ in range(streams))
        self._free_lanes = list(self._lanes)
        self._graphs = own and device.type == "cuda" and is_enabled("graphs")
        made = backend.fused(dtype) if device.type == "cuda" and is_enabled("fused") else None
        graph = CudaGraph if self._graphs else None
        if made and not is_trusted(backend, made, dtype, self._lanes[0].stream, graph, warn):
            made, self._graphs = None, False
        # Graphs are tested with fused networks only.
        self._graphs = self._graphs and made is not None
        self._whole = made or backend
        self._device = device
        # A fused network sets its own precision.
        self._dtype = torch.float32 if made else dtype
        self._tile = tile
        self._timesteps_after = timesteps_after
        self._warn = warn
        self._retreating = threading.Lock()
        self._turnstile = Turnstile(streams)
        self._synthesis = self._start()

    def _start(self) -> Synthesis:
        graph = CudaGraph if self._graphs and self._tile is None else None
        return Synthesis(
            self._whole if self._tile is None else in_tiles(self._whole, self._tile),
            upload=self._upload,
            timesteps_after=self._timesteps_after,
            graphs={lane: Graphs(graph) for lane in self._lanes},
        )

    @contextmanager
    def _lane(self, request: Request) -> Iterator[Lane]:
        """A lane for this request alone, once one is free."""
        with self._turnstile.entered(request.index, request.n):
            lane = self._free_lanes.pop()
            try:
                yield lane
            finally:
                self._free_lanes.append(lane)

    @override
    def render(self, request: Request) -> vs.VideoFrame:
        """The new frame; where memory runs out, in smaller and smaller tiles."""
        with (
            self._lane(request) as lane,
            lane.stream.entered(),
            torch.inference_mode(),
            running_in(self._dtype, self._device),
        ):
            while True:
                synthesis = self._synthesis
                try:
                    return self._rendered(synthesis, Job(request, lane, synthesis.graphs[lane]))
                except Exception as error:
                    # What the lane holds may be freed once the device has finished; a failed device raises again.
                    with suppress(Exception):
                        lane.finish()
                    if not is_out_of_memory(error):
                        raise
                    self._retreat(synthesis, request, error)
                finally:
                    lane.clear()

    def _rendered(self, synthesis: Synthesis, job: Job) -> vs.VideoFrame:
        source = job.request.frames[job.request.index[0]]
        scale = self.info.spatial_scale
        margins = self._margins(source)
        layout = self._layout(source).scaled(scale)
        frame = synthesis.frame(job)
        finite = torch.isfinite(frame).all()
        host = job.lane.download(rgb_to_planes(frame, layout, margins.left * scale, margins.top * scale))
        made = new_frame(self.core, source, scale)
        job.lane.finish()
        if not finite:
            raise broken_contract(self.info, "made a frame that holds NaN or infinity")
        unpack(host, layout, writable_planes(made))
        return made

    def _retreat(self, failed: Synthesis, request: Request, error: Exception) -> None:
        with self._retreating:
            if self._synthesis is not failed:
                return  # another thread has done it already
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

    def _upload(self, n: int, job: Job) -> Tensor:
        frame = job.request.frames[n]
        planes = plane_frame(frame)
        check_finite(planes, n)
        layout = self._layout(frame)
        host = job.lane.memory(layout.size, layout.dtype)
        pack(planes.planes, layout, host)
        return planes_to_rgb(job.lane.upload(host), layout, self._margins(frame))

    def _layout(self, frame: vs.VideoFrame) -> PlaneLayout:
        planes = plane_frame(frame)
        return layout_of(planes, read_color(frame.props, planes.family, frame.width, frame.height))

    def _margins(self, frame: vs.VideoFrame) -> Margins:
        multiple, minimum, where = self._whole.multiple, self.info.minimum, self.info.padding
        left, right = padding(frame.width, multiple=multiple, minimum=minimum, where=where)
        top, bottom = padding(frame.height, multiple=multiple, minimum=minimum, where=where)
        return Margins(left, right, top, bottom)
