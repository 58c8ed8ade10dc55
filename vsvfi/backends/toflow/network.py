"""The interpolation network of TOFlow without a mask (arXiv 1711.09078, figure 4), as pyTOFlow publishes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.spynet.network import MEAN, STD, SPyNet
from vsvfi.ops import backward_warp

__all__ = ["FLOW_HEADS", "TOFlow", "build", "create", "example"]


FLOW_HEADS = (r"^spynet\.levels\.\d\.8\.", r"^merge\.4\.")
"""What makes the flows, and what is added to the mean of the warped frames."""


class TOFlow(nn.Module):
    """Motion estimation, warping and merging of two frames normalised by ImageNet's statistics.

    Args:
        levels: of the flow network.
        width: channels of the merging network.
    """

    def __init__(self, *, levels: int = 4, width: int = 64) -> None:
        super().__init__()
        self.spynet = SPyNet(levels)
        self.merge = nn.Sequential(conv(6, width, 9), nn.ReLU(), conv(width, width, 1), nn.ReLU(), conv(width, 3, 1))

    def synthesize(self, frame0: Tensor, frame1: Tensor, flow01: Tensor, flow10: Tensor) -> Tensor:
        """The middle frame in [0, 1] of normalised frames and the flows between them."""
        # Half of the other frame's flow serves each frame: motion is taken as the same in the middle's grid.
        warped0 = backward_warp(frame0, flow10 / 2, border="zeros")
        warped1 = backward_warp(frame1, flow01 / 2, border="zeros")
        merged: Tensor = self.merge(torch.cat((warped0, warped1), 1)).float() + (warped0 + warped1) / 2
        mean, std = merged.new_tensor(MEAN), merged.new_tensor(STD)
        return merged * std.view(1, 3, 1, 1) + mean.view(1, 3, 1, 1)

    def forward(self, frame0: Tensor, frame1: Tensor) -> Tensor:
        """The frame ``(N, 3, H, W)`` halfway between two normalised frames, RGB, about [0, 1], not clamped."""
        return self.synthesize(frame0, frame1, self.spynet(frame0, frame1), self.spynet(frame1, frame0))


def build(shapes: Shapes) -> TOFlow:
    """The network whose state dict has these shapes; the published one when there are none."""
    levels = {name.split(".")[2] for name in shapes if name.startswith("spynet.levels.")}
    return TOFlow(levels=len(levels) or 4, width=shapes.get("merge.0.bias", (64,))[0])


def create(_name: str) -> TOFlow:
    """The untrained network at its published size."""
    return TOFlow()


def example(_name: str) -> TOFlow:
    """A small untrained network."""
    return TOFlow(levels=1, width=4)
