"""IFNet made ready to run: the same function in fewer passes, for versions whose scales are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import torch
from torch import Tensor, nn

from vsvfi.nets.fused import fused, in_dtype
from vsvfi.nets.ifnet.architecture import Architecture
from vsvfi.nets.ifnet.network import FramePair, IFBlock, IFNet
from vsvfi.ops import LevelEstimate, pyramid_blend, pyramid_input

__all__ = ["FusedIFNet", "can_fuse"]

_NEEDED = 5
"""Channels of the last level's estimate that the new frame depends on: flow and mask."""


def can_fuse(architecture: Architecture, scales: Sequence[Fraction]) -> bool:
    """Whether levels can be fused: their scales do not depend on the motion, and are 1 or even numbers."""
    return architecture.style != "prelu" and all(scale == 1 or scale % 2 == 0 for scale in scales)


class _Level(nn.Module):
    """A block from its input to its estimate, which stays as it leaves the last convolution."""

    def __init__(self, block: IFBlock, scale: int, dtype: torch.dtype, *, last: bool) -> None:
        super().__init__()
        self.scale = scale
        self.shuffled = isinstance(block.lastconv, nn.Sequential)
        self.enlarged = block.enlarge * scale
        self.layers = cast(nn.Sequential, fused(nn.Sequential(block.conv0, block.convblock), dtype))
        given = cast(nn.ConvTranspose2d, block.lastconv[0] if self.shuffled else block.lastconv)  # type: ignore[index]
        outputs = (4 if self.shuffled else 1) * _NEEDED if last else given.out_channels
        self.estimate = nn.ConvTranspose2d(given.in_channels, outputs, 4, 2, 1, device=given.weight.device)
        self.estimate.weight = nn.Parameter(given.weight.detach()[:, :outputs].clone(), requires_grad=False)
        assert given.bias is not None
        self.estimate.bias = nn.Parameter(given.bias.detach()[:outputs].clone(), requires_grad=False)
        in_dtype(self.estimate, dtype)

    def forward(self, x: Tensor) -> LevelEstimate:
        """From the level's input ``(N, C, h, w)``."""
        return LevelEstimate(self.estimate(self.layers(x)), self.enlarged, self.shuffled)


class FusedIFNet(nn.Module):
    """`IFNet` in ``dtype``, for one set of scales; flow and sums stay fp32."""

    def __init__(self, network: IFNet, scales: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__()
        self.architecture = network.architecture
        self.dtype = dtype
        self.head = None if network.head is None else fused(nn.Sequential(network.head), dtype)
        last = len(scales) - 1
        self.levels = nn.ModuleList(
            _Level(cast(IFBlock, block), scale, dtype, last=index == last)
            for index, (block, scale) in enumerate(zip(network.blocks, scales, strict=True))
        )

    def encode(self, frame: Tensor) -> Tensor:
        """The head's features of a frame ``(1, 3, H, W)``, without channels where the version has no head."""
        return frame[:, :0].to(self.dtype) if self.head is None else self.head(frame)

    def prepare(self, frame0: Tensor, frame1: Tensor, features0: Tensor, features1: Tensor) -> FramePair:
        """Two frames ``(1, 3, H, W)`` and their features, ready for `synthesize`."""
        return FramePair(frame0.clamp(0, 1), frame1.clamp(0, 1), features0, features1)

    def synthesize(self, state: FramePair, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``."""
        frames, features = (state.frame0, state.frame1), (state.features0, state.features1)
        sums_masks = self.architecture.head is None
        estimates: list[LevelEstimate] = []
        for level in self.levels:
            seen = pyramid_input(
                frames,
                features,
                timesteps,
                estimates,
                scale=cast(_Level, level).scale,
                fed_on=self.architecture.fed_on if estimates else 0,
                sums_masks=sums_masks,
                dtype=self.dtype,
            )
            estimates.append(level(seen))
        return pyramid_blend(frames, estimates, sums_masks=sums_masks)
