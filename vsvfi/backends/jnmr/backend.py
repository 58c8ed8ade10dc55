"""JNMR and its published baseline behind the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, override

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsvfi.backends.base import MidpointBackend, TorchBackend
from vsvfi.backends.jnmr.baseline import Baseline
from vsvfi.backends.jnmr.network import JNMR
from vsvfi.backends.jnmr.prior import measure_flows

__all__ = ["BaselineBackend", "JNMRBackend"]


class State(NamedTuple):
    """The four frames ``(1, 4, 3, H, W)`` and, for a primed network, their flows ``(1, 4, 2, H, W)``."""

    frames: Tensor
    flows: Tensor | None


class BaselineBackend(MidpointBackend):
    """The published baseline: everything depends on the whole window and there is one timestep."""

    network: Baseline

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Tensor:
        """The middle frame."""
        frame: Tensor = self.network(torch.stack(tuple(window), 1)).frame
        return frame

    @override
    def middle(self, state: Tensor) -> Tensor:
        """The middle frame, which `prepare` made."""
        return state


class JNMRBackend(TorchBackend):
    """The full model at any timestep, or, for weights trained without the timestep, at the middle."""

    network: JNMR

    @override
    def encode(self, frame: Tensor) -> NDArray[np.uint8] | None:
        """The frame's luma at 8 bits, in which a primed network's optical flow is measured."""
        if not self.network.hyperparameters.primed:
            return None
        pixels = (frame[0].float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
        return cv2.cvtColor(pixels.cpu().numpy(), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> State:
        """The frames, and the flows between them."""
        frames = torch.stack(tuple(window), 1)
        if not self.network.hyperparameters.primed:
            return State(frames, None)
        outer, first, second, last = encoded
        flows = torch.from_numpy(measure_flows((outer, first, second, last)))
        return State(frames, flows.to(frames.device)[None])

    @override
    def synthesize(self, state: State, timesteps: Tensor) -> Tensor:
        """The frames at the timesteps, one after the other: a single one fills the memory that there is."""
        if not self.network.hyperparameters.timestep and bool((timesteps != 0.5).any()):
            raise ValueError(
                "these weights of jnmr were trained for the middle of two frames only (model.timestep = false); "
                "use factor 2"
            )
        results = [self.network(state.frames, timestep[None], state.flows).frame for timestep in timesteps]
        return torch.cat(results)
