"""The hourglass network of MegaDepth (first in Chen et al., NIPS 2016, arXiv 1604.03901)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvfi.backend import Shapes
from vsvfi.nets.blocks import FrozenBatchNorm2d, conv

__all__ = ["MegaDepth", "build", "estimate", "proximity"]


def _conv_norm(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
    return [
        conv(in_channels, out_channels, kernel_size),
        FrozenBatchNorm2d(out_channels, affine=False),
        nn.ReLU(inplace=True),
    ]


class Inception(nn.ModuleList):
    """Four branches side by side: a 1x1 convolution, and three that narrow to ``width`` before a larger kernel.

    Every branch adds ``branch`` channels to the output, in order.
    """

    def __init__(self, channels: int, branch: int, width: int, kernel_sizes: tuple[int, int, int] = (3, 5, 7)) -> None:
        wide = (
            nn.Sequential(*_conv_norm(channels, width, 1), *_conv_norm(width, branch, kernel_size))
            for kernel_size in kernel_sizes
        )
        super().__init__([nn.Sequential(*_conv_norm(channels, branch, 1)), *wide])

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to ``(N, 4 * branch, H, W)``."""
        return torch.cat([branch(x) for branch in self], 1)


class Sum(nn.ModuleList):
    """The sum of what its two branches make of one input."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to what the branches give."""
        first, second = self
        result: Tensor = first(x) + second(x)
        return result


def _hourglass(first: nn.Sequential, second: nn.Sequential) -> nn.Sequential:
    # The published names count the sum as a layer of a container of its own.
    return nn.Sequential(Sum([first, second]))


def _trunk() -> nn.Sequential:
    """Four hourglasses, one inside the other, named by position as in the published weights."""
    up = nn.UpsamplingNearest2d
    large = (3, 7, 11)
    innermost = _hourglass(
        nn.Sequential(Inception(256, 64, 32), Inception(256, 64, 32)),
        nn.Sequential(
            nn.AvgPool2d(2),
            Inception(256, 64, 32),
            Inception(256, 64, 32),
            Inception(256, 64, 32),
            up(scale_factor=2),
        ),
    )
    third = _hourglass(
        nn.Sequential(Inception(256, 64, 32), Inception(256, 64, 64, large)),
        nn.Sequential(
            nn.AvgPool2d(2),
            Inception(256, 64, 32),
            Inception(256, 64, 32),
            innermost,
            Inception(256, 64, 32),
            Inception(256, 64, 64, large),
            up(scale_factor=2),
        ),
    )
    second = _hourglass(
        nn.Sequential(
            nn.MaxPool2d(2),
            Inception(128, 32, 32),
            Inception(128, 64, 32),
            third,
            Inception(256, 64, 32),
            Inception(256, 32, 32),
            up(scale_factor=2),
        ),
        nn.Sequential(Inception(128, 32, 32), Inception(128, 32, 64, large)),
    )
    return _hourglass(
        nn.Sequential(
            nn.MaxPool2d(2),
            Inception(128, 32, 32),
            Inception(128, 32, 32),
            second,
            Inception(128, 32, 64),
            Inception(128, 16, 32, large),
            up(scale_factor=2),
        ),
        nn.Sequential(Inception(128, 16, 64, large)),
    )


class MegaDepth(nn.Sequential):
    """Log depth ``(N, 1, H, W)``, without activation, of frames ``(N, 3, H, W)`` in [0, 1]; sides multiples of 16."""

    def __init__(self) -> None:
        super().__init__(conv(3, 128, 7), FrozenBatchNorm2d(128), nn.ReLU(inplace=True), _trunk(), conv(64, 1))


def proximity(log_depth: Tensor) -> Tensor:
    """The weight that DAIN gives to a pixel, larger for what is near: ``1e-6 + 1 / depth``, fp32."""
    return 1e-6 + 1 / torch.exp(log_depth.float())


def build(shapes: Shapes) -> MegaDepth:
    """The network; its published weights have one shape."""
    del shapes
    return MegaDepth()


def estimate(network: MegaDepth, frame: Tensor) -> Tensor:
    """Log depth of an RGB frame."""
    result: Tensor = network(frame)
    return result.float()
