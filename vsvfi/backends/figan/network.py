"""The generator of FIGAN (arXiv 1711.06045): residual flow from coarse to fine, synthesis, and refinement.

No code and no checkpoint were published; what the paper's known text leaves open is marked here as our choice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.geometry import resize
from vsvfi.ops import backward_warp

__all__ = ["FIGAN", "FLOW_HEADS", "Motion", "Prediction", "build", "create", "example"]


FLOW_HEADS = (r"^coarse\.10\.", r"^residuals\.\d\.10\.", r"^refinement\.10\.")
"""What makes the flows, the weights, and the residual of the refinement."""


class Motion(NamedTuple):
    """The flow field Gamma and both frames, at one scale; ``frame0`` and ``frame1`` are warped to the middle."""

    gamma: Tensor
    frame0: Tensor
    frame1: Tensor

    @property
    def synthesis(self) -> Tensor:
        """Both warped frames, weighed by Gamma's third channel (mapped from (-1, 1) to (0, 1): our choice)."""
        weight = (1 + self.gamma[:, 2:]) / 2
        return weight * self.frame0 + (1 - weight) * self.frame1


class Prediction(NamedTuple):
    """The refined frame ``(N, 3, H, W)``, and the synthesis at every scale, finest first."""

    frame: Tensor
    syntheses: tuple[Tensor, ...]


def _module(in_channels: int, out_channels: int, width: int) -> nn.Sequential:
    """Six convolutions, as all parts of the generator (table 1)."""
    layers: list[nn.Module] = [conv(in_channels, width), nn.ReLU()]
    for _ in range(4):
        layers += [conv(width, width), nn.ReLU()]
    return nn.Sequential(*layers, conv(width, out_channels))


def _warp(frame0: Tensor, frame1: Tensor, gamma: Tensor, size: tuple[int, int]) -> Motion:
    """Both frames at one symmetric flow, which Gamma gives as a fraction of half of ``size`` (our choice)."""
    height, width = size
    half = gamma.new_tensor(((width - 1) / 2, (height - 1) / 2)).view(1, 2, 1, 1)
    flow = gamma[:, :2] * half
    return Motion(gamma, backward_warp(frame0, -flow), backward_warp(frame1, flow))


class FIGAN(nn.Module):
    """Two RGB frames in [0, 1] to the one between; H and W are multiples of ``2 ** (scales - 1)``.

    Args:
        scales: J in the paper, the full size counted (our choice).
        width: channels of the hidden layers.
    """

    def __init__(self, *, scales: int = 3, width: int = 32) -> None:
        super().__init__()
        self.coarse = _module(6, 3, width)
        self.residuals = nn.ModuleList(_module(9, 3, width) for _ in range(scales - 1))
        self.refinement = _module(9, 3, width)

    def prepare(self, frame0: Tensor, frame1: Tensor, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Flow and warped frames at every scale, finest first.

        ``size`` (height, width) is what the flow is a fraction of: the frames', or that of which they are a part.
        """
        height, width = size
        pyramid = [(frame0, frame1)]
        for _ in self.residuals:
            first, second = pyramid[-1]
            pyramid.append((F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)))
        first, second = pyramid.pop()
        sizes = [(height >> level, width >> level) for level in range(len(self.residuals) + 1)]
        gamma = torch.tanh(self.coarse(torch.cat((first, second), 1)).float())
        motions = [_warp(first, second, gamma, sizes.pop())]
        for residual in self.residuals:
            first, second = pyramid.pop()
            here = sizes.pop()
            guess = _warp(first, second, resize(motions[0].gamma, 2), here)
            change = residual(torch.cat((guess.frame0, guess.frame1, guess.gamma), 1)).float()
            motions.insert(0, _warp(first, second, torch.tanh(guess.gamma + change), here))
        return tuple(motions)

    def refine(self, frame0: Tensor, frame1: Tensor, synthesis: Tensor) -> Tensor:
        """The synthesised frame, corrected by a residual (our choice) that the given frames help to find."""
        residual: Tensor = self.refinement(torch.cat((synthesis, frame0, frame1), 1)).float()
        return synthesis + residual

    def forward(self, frame0: Tensor, frame1: Tensor) -> Prediction:
        """The middle frame, not clamped, and what the multi-scale losses compare."""
        size = (frame0.shape[-2], frame0.shape[-1])
        syntheses = tuple(motion.synthesis for motion in self.prepare(frame0, frame1, size))
        return Prediction(self.refine(frame0, frame1, syntheses[0]), syntheses)


def build(shapes: Shapes) -> FIGAN:
    """The network whose state dict has these shapes; the paper's when there are none."""
    residuals = {name.split(".")[1] for name in shapes if name.startswith("residuals.")}
    return FIGAN(scales=(len(residuals) or 2) + 1, width=shapes.get("coarse.0.weight", (32,))[0])


def create(_name: str) -> FIGAN:
    """The paper's network, untrained."""
    return FIGAN()


def example(_name: str) -> FIGAN:
    """A very small untrained network."""
    return FIGAN(width=4)
