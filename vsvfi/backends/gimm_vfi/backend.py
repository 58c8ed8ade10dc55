"""GIMM-VFI behind the filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import override

import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.backends.gimm_vfi.network import GIMMVFI, Frame, GIMMVFIState

__all__ = ["GIMMVFIBackend"]

MOTION_PIXELS = 2**22
"""How many pixels, of all timesteps together, the motion is predicted for at once: about 3 GB."""
RENDER_PIXELS = 2**19
"""How many pixels, of all timesteps together, are rendered at once: about 3 GB in fp32."""


class GIMMVFIBackend(TorchBackend):
    """Features once per frame, flows and latents once per pair; motion in one batch of timesteps, then the frames."""

    network: GIMMVFI
    timestep_batch = 8

    @property
    @override
    def multiple(self) -> int:
        """The reduced frames are resized to the next multiples of 8, whatever the size of the whole ones."""
        return self.info.multiple

    @override
    def encode(self, frame: Tensor) -> Frame:
        """The flow estimator's features."""
        return self.network.encode(frame, float(self.options.flow_scale))

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Frame]) -> GIMMVFIState:
        """Flows, motion latents, correlations."""
        del window
        return self.network.prepare(*encoded)

    @override
    def synthesize(self, state: GIMMVFIState, timesteps: Tensor) -> Tensor:
        """As many timesteps at once as memory is set aside for."""
        reduced, full = state.reduced[0].shape, state.frames[0].shape
        motion = torch.cat(
            [self.network.motion(state.motion, batch)[1] for batch in _batches(timesteps, MOTION_PIXELS, reduced)]
        )
        steps = max(1, RENDER_PIXELS // (full[-2] * full[-1])) if self.tile_size is None else 1
        return torch.cat(
            [
                self.network.render(state, timesteps[i : i + steps], motion[i : i + steps], self.tile_size).frames
                for i in range(0, len(timesteps), steps)
            ]
        )


def _batches(timesteps: Tensor, pixels: int, shape: torch.Size) -> Iterator[Tensor]:
    """Timesteps in groups whose frames of ``shape`` have no more than so many pixels together."""
    step = max(1, pixels // (shape[-2] * shape[-1]))
    for start in range(0, len(timesteps), step):
        yield timesteps[start : start + step]
