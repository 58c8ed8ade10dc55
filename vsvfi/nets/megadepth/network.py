"""The hourglass network of MegaDepth (first in Chen et al., NIPS 2016, arXiv 1604.03901)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
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


def _trunk(unit: int) -> nn.Sequential:
    """Four hourglasses, one inside the other, named by position as in the published weights.

    Channels are counted in ``unit``, 16 in the published weights.
    """
    up = nn.UpsamplingNearest2d
    large = (3, 7, 11)

    def inception(*channels: int, kernel_sizes: tuple[int, int, int] = (3, 5, 7)) -> Inception:
        in_channels, branch, width = (count * unit for count in channels)
        return Inception(in_channels, branch, width, kernel_sizes)

    innermost = _hourglass(
        nn.Sequential(inception(16, 4, 2), inception(16, 4, 2)),
        nn.Sequential(
            nn.AvgPool2d(2),
            inception(16, 4, 2),
            inception(16, 4, 2),
            inception(16, 4, 2),
            up(scale_factor=2),
        ),
    )
    third = _hourglass(
        nn.Sequential(inception(16, 4, 2), inception(16, 4, 4, kernel_sizes=large)),
        nn.Sequential(
            nn.AvgPool2d(2),
            inception(16, 4, 2),
            inception(16, 4, 2),
            innermost,
            inception(16, 4, 2),
            inception(16, 4, 4, kernel_sizes=large),
            up(scale_factor=2),
        ),
    )
    second = _hourglass(
        nn.Sequential(
            nn.MaxPool2d(2),
            inception(8, 2, 2),
            inception(8, 4, 2),
            third,
            inception(16, 4, 2),
            inception(16, 2, 2),
            up(scale_factor=2),
        ),
        nn.Sequential(inception(8, 2, 2), inception(8, 2, 4, kernel_sizes=large)),
    )
    return _hourglass(
        nn.Sequential(
            nn.MaxPool2d(2),
            inception(8, 2, 2),
            inception(8, 2, 2),
            second,
            inception(8, 2, 4),
            inception(8, 1, 2, kernel_sizes=large),
            up(scale_factor=2),
        ),
        nn.Sequential(inception(8, 1, 4, kernel_sizes=large)),
    )


class MegaDepth(nn.Sequential):
    """Log depth ``(N, 1, H, W)``, without activation, of frames ``(N, 3, H, W)`` in [0, 1]; sides multiples of 16.

    ``channels`` is the number of features at full size, a multiple of 8.
    """

    def __init__(self, channels: int = 128) -> None:
        super().__init__(
            conv(3, channels, 7),
            FrozenBatchNorm2d(channels),
            nn.ReLU(inplace=True),
            _trunk(channels // 8),
            conv(channels // 2, 1),
        )


def proximity(log_depth: Tensor) -> Tensor:
    """The weight that DAIN gives to a pixel, larger for what is near: ``1e-6 + 1 / depth``, fp32."""
    return 1e-6 + 1 / torch.exp(log_depth.float())


def build(shapes: Shapes) -> MegaDepth:
    """The network with the channels that the shapes show."""
    return MegaDepth(shapes["0.weight"][0])


def estimate(network: MegaDepth, frame: Tensor) -> Tensor:
    """Log depth of an RGB frame."""
    result: Tensor = network(frame)
    return result.float()
