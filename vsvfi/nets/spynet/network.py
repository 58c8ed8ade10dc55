"""SPyNet (arXiv 1611.00850) as TOFlow uses it: at most four levels, RGB with ImageNet statistics."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, in_float32
from vsvfi.ops import backward_warp

__all__ = ["MEAN", "STD", "SPyNet", "build", "estimate", "normalise"]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

COARSEST = 32
"""The pyramid stops at a level no larger than this in both directions."""


def normalise(frame: Tensor) -> Tensor:
    """RGB in [0, 1] by ImageNet's mean and standard deviation."""
    mean, std = frame.new_tensor(MEAN), frame.new_tensor(STD)
    return (frame - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


class _Level(nn.Sequential):
    """The residual flow of one level, from both frames and the flow so far."""

    def __init__(self) -> None:
        super().__init__()
        widths = (8, 32, 64, 32, 16, 2)
        for in_channels, out_channels in pairwise(widths):
            self.extend((conv(in_channels, out_channels, 7), nn.ReLU()))
        del self[-1]

    def forward(self, x: Tensor) -> Tensor:
        *layers, predict = self
        for layer in layers:
            x = layer(x)
        return in_float32(predict, x)


class SPyNet(nn.Module):
    """The flow between two normalised frames (see `normalise`), from coarse to fine.

    Args:
        levels: the most levels that the pyramid can have.
        border: what the warp of the second frame reads outside it.
    """

    def __init__(self, levels: int = 4, border: Literal["replicate", "zeros"] = "replicate") -> None:
        super().__init__()
        self.border = border
        self.levels = nn.ModuleList(_Level() for _ in range(levels))

    def pyramid(self, frame: Tensor) -> list[Tensor]:
        """The frame at each level, coarsest first; small frames have fewer levels."""
        levels = [frame]
        while len(levels) < len(self.levels) and max(levels[0].shape[-2:]) > COARSEST:
            levels.insert(0, F.avg_pool2d(levels[0], 2))
        return levels

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels from the first frame to the second; any H and W."""
        coarse_to_fine = list(zip(self.pyramid(first), self.pyramid(second), strict=True))
        height, width = coarse_to_fine[0][0].shape[-2:]
        flow = first.new_zeros((first.shape[0], 2, height // 2, width // 2), dtype=torch.float32)
        # A small frame lacks the finer levels: modules count from the coarsest level there is.
        for level, (level_first, level_second) in zip(self.levels, coarse_to_fine, strict=False):
            up = 2 * F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=True)
            rows, columns = level_first.shape[-2] - up.shape[-2], level_first.shape[-1] - up.shape[-1]
            up = F.pad(up, (0, columns, 0, rows), mode="replicate")
            warped = backward_warp(level_second, up, border=self.border)
            flow = level(torch.cat((level_first, warped, up), 1)) + up
        return flow


def build(shapes: Shapes) -> SPyNet:
    """The network whose state dict has these shapes; four levels when there are none."""
    levels = {name.split(".")[1] for name in shapes if name.startswith("levels.")}
    return SPyNet(len(levels) or 4)


def estimate(network: SPyNet, frame0: Tensor, frame1: Tensor) -> Tensor:
    """The flow from one RGB frame in [0, 1] to the other."""
    flow: Tensor = network(normalise(frame0), normalise(frame1))
    return flow
