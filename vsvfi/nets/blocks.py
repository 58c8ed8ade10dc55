"""Building blocks whose arithmetic several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "DENSE",
    "DenseBlock",
    "FrozenBatchNorm2d",
    "ResidualBlock",
    "conv",
    "conv_leaky",
    "conv_prelu",
    "deconv_leaky",
    "dilated_context",
    "in_float32",
]


def conv(
    in_channels: int, out_channels: int, kernel_size: int = 3, *, stride: int = 1, dilation: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution with an odd kernel, zero-padded so that stride 1 keeps the size."""
    padding = dilation * (kernel_size - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias)


def conv_leaky(
    in_channels: int, out_channels: int, kernel_size: int = 3, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """A size-keeping `conv` and LeakyReLU(0.1): the usual layer of the FlowNet family and of PWC-Net."""
    return nn.Sequential(
        conv(in_channels, out_channels, kernel_size, stride=stride, dilation=dilation), nn.LeakyReLU(0.1)
    )


def conv_prelu(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """A size-keeping `conv` and PReLU with one slope a channel."""
    return nn.Sequential(conv(in_channels, out_channels, kernel_size, stride=stride), nn.PReLU(out_channels))


def deconv_leaky(in_channels: int, out_channels: int) -> nn.Sequential:
    """A transposed convolution that doubles the size, and LeakyReLU(0.1)."""
    return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1), nn.LeakyReLU(0.1))


def in_float32(layer: nn.Module, x: Tensor) -> Tensor:
    """``layer(x)`` in fp32, under autocast too: for layers that predict a flow, which halves would round to a grid."""
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = layer(x.float())
    return result


class ResidualBlock(nn.Module):
    """``x + conv2(relu(conv1(x)))``, without normalisation (EDSR, arXiv 1707.02921)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        residual: Tensor = self.conv2(torch.relu(self.conv1(x)))
        return x + residual


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation by the recorded statistics alone (eps 1e-5), as in ``eval`` mode.

    Has no counter of batches, which checkpoints older than PyTorch 0.4.1 lack.
    """

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        mean, variance = self.running_mean, self.running_var
        result: Tensor = F.batch_norm(x, mean, variance, self.weight, self.bias, eps=1e-5)
        return result


DENSE = (128, 128, 96, 64, 32)
"""Channels of the dense layers of a PWC-Net level."""


class DenseBlock(nn.ModuleList):
    """The densely connected layers of a PWC-Net level (arXiv 1709.02371): new features go in front of the old.

    ``out_channels`` is what `forward` returns: the input and every layer's features.
    """

    def __init__(self, in_channels: int, widths: Sequence[int] = DENSE) -> None:
        before = [in_channels + sum(widths[:index]) for index in range(len(widths))]
        super().__init__(conv_leaky(channels, width) for channels, width in zip(before, widths, strict=True))
        self.out_channels = in_channels + sum(widths)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        for layer in self:
            x = torch.cat((layer(x), x), 1)
        return x


def dilated_context(in_channels: int, dense: Sequence[int] = DENSE) -> nn.Sequential:
    """PWC-Net's context network: a flow residual ``(N, 2, H, W)`` from a wide, dilated field of view.

    Its layers are as wide as a level's ``dense`` layers, the first twice.
    """
    modules: list[nn.Module] = []
    for width, dilation in zip((dense[0], *dense), (1, 2, 4, 8, 16, 1), strict=True):
        modules.append(conv_leaky(in_channels, width, dilation=dilation))
        in_channels = width
    return nn.Sequential(*modules, conv(in_channels, 2))
