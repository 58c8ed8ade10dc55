"""Whether the fast form of a model gives on this device what the plain one gives: tried before any frame of a film."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.graphs import Graph, Graphs
from vsvfi.engine.lanes import Stream
from vsvfi.engine.precision import running_in
from vsvfi.models.padding import padding

__all__ = ["difference", "is_trusted"]

SIDE = 256
"""Pixels of the sides of the trial frames, at least."""

TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.05}
"""Mean absolute differences of values in [0, 1] that rounding explains, also where it moves a flow across a pixel."""


def is_trusted(
    plain: TorchBackend,
    fast: TorchBackend,
    dtype: torch.dtype,
    stream: Stream,
    graph: Callable[[], Graph] | None,
    warn: Callable[[str], None],
) -> bool:
    """Whether the fast form may be used; where not, one line says why."""
    try:
        found = difference(plain, fast, dtype, stream, graph)
    except Exception as error:  # whatever fails in the fast form, the plain one is used
        found, reason = float("nan"), f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        reason = f"it is off by {found:.2g} on average"
    if found <= TOLERANCE[dtype]:
        return True
    warn(
        f"model {plain.info.name!r} runs in its plain form on {stream.device}: the fast one failed its trial ({reason})"
    )
    return False


def difference(
    plain: TorchBackend, fast: TorchBackend, dtype: torch.dtype, stream: Stream, graph: Callable[[], Graph] | None
) -> float:
    """The mean absolute difference of a trial frame made by both forms, by the fast one through graphs, replayed."""
    with stream.entered(), torch.inference_mode():
        frames = _frames(plain, stream.device)
        timestep = torch.full((1,), 0.5, device=stream.device)
        with running_in(dtype, stream.device):
            state = plain.prepare(frames, [plain.encode(frame) for frame in frames])
            expected = plain.synthesize(state, timestep).float().clone()
        graphs = Graphs(graph)
        with running_in(torch.float32, stream.device):
            for _ in range(3 if graph else 1):  # run, captured, replayed
                encoded = [graphs.run("encode", fast.encode, frame, kept=True) for frame in frames]
                made = graphs.run("prepare", fast.prepare, frames, encoded, kept=True)
                result = graphs.run("synthesize", fast.synthesize, made, timestep, kept=True)
        error = (result.float() - expected).abs().mean()
        stream.finish()
        return float(error.item())


def _frames(backend: TorchBackend, device: torch.device) -> list[Tensor]:
    """Smooth coloured frames, each a little different."""
    multiple = backend.multiple
    side = SIDE + sum(padding(SIDE, multiple=multiple, minimum=backend.info.minimum, where=backend.info.padding))
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(1, 3, 9, 9, generator=generator)
    moved = [first + 0.05 * n * torch.rand(first.shape, generator=generator) for n in range(len(backend.info.window))]
    return [F.interpolate(x, (side, side), mode="bicubic").clamp(0, 1).to(device) for x in moved]
