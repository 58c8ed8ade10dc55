"""Parts that MEMC-Net, its video-enhancement variant and DAIN share (arXiv 1810.08768)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import FrozenBatchNorm2d, ResidualBlock, conv

__all__ = ["EDSR", "KERNEL_TAPS", "ContextNet", "PixelPrediction", "SkipNet", "deep_unet", "edsr", "light_unet"]

KERNEL_TAPS = 16
"""Taps of an interpolation kernel: a window of 4x4 pixels, row by row."""

_LEVELS = 5


class SkipNet(nn.Sequential):
    """Layers of an encoder-decoder: what enters a pooling is added again after the upsampling to that size."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', H, W)``."""
        skips: list[Tensor] = []
        for layer in self:
            if isinstance(layer, nn.MaxPool2d):
                skips.append(x)
            x = layer(x)
            if isinstance(layer, nn.Upsample):
                x = x + skips.pop()
        return x


def _layer(in_channels: int, out_channels: int, *, norm: bool = False) -> list[nn.Module]:
    layers: list[nn.Module] = [conv(in_channels, out_channels), nn.ReLU(inplace=True)]
    return [*layers, FrozenBatchNorm2d(out_channels)] if norm else layers


def _double(*, align_corners: bool) -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align_corners)


def deep_unet(width: int = 16, *, norm: bool) -> SkipNet:
    """The encoder-decoder of MEMC-Net and MEMC-Net*: 6 to ``width`` channels, numbered as in the published weights."""
    layers = _layer(6, 2 * width)
    channels = 2 * width
    widths = [width * 2**level for level in range(1, _LEVELS + 1)]
    for wider in widths:
        layers += [*_layer(channels, wider), *_layer(wider, wider, norm=norm), nn.MaxPool2d(2)]
        channels = wider
    layers += [*_layer(channels, channels), *_layer(channels, channels)]
    for wide in reversed(widths):
        layers += [*_layer(wide, wide, norm=norm), _double(align_corners=True), *_layer(wide, wide // 2)]
    return SkipNet(*layers)


def light_unet(width: int = 16, *, norm: bool, align_corners: bool) -> SkipNet:
    """The encoder-decoder of DAIN and MEMC-Net_s: 6 to ``width`` channels, numbered as in the published weights."""
    layers = _layer(6, width)
    channels = width
    widths = [width * 2**level for level in range(1, _LEVELS + 1)]
    for wider in widths:
        layers += [*_layer(channels, wider, norm=norm), nn.MaxPool2d(2)]
        channels = wider
    layers += _layer(channels, channels)
    for wide in reversed(widths):
        layers += [_double(align_corners=align_corners), *_layer(wide, wide // 2, norm=norm)]
    return SkipNet(*layers)


class PixelPrediction(nn.Module):
    """What an encoder-decoder, ``trunk``, says about every pixel of two frames: one map a head.

    ``width`` is the number of channels that the trunk ends with.
    """

    def __init__(self, trunk: SkipNet, channels: int, *, heads: int = 2, width: int = 16) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(nn.Sequential(*_layer(width, width), conv(width, channels)) for _ in range(heads))

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Two frames one after the other, ``(N, 6, H, W)``, to ``(N, channels, H, W)`` for every head, fp32."""
        x = self.trunk(frames)
        return tuple(head(x).float() for head in self.heads)


class ContextNet(nn.Module):
    """Context features of a frame: one wide convolution (of a ResNet-18, fine-tuned)."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.conv1 = conv(3, channels, 7, bias=False)
        self.scale: Tensor
        # The reference subtracts 0.485 from all three channels; the weights were trained with that.
        self.register_buffer("scale", torch.tensor((0.229, 0.224, 0.224))[:, None, None], persistent=False)

    def forward(self, frame: Tensor) -> Tensor:
        """RGB ``(N, 3, H, W)`` in [0, 1] to ``(N, channels, H, W)``."""
        features: Tensor = self.conv1((frame - 0.485) / self.scale)
        return features


class EDSR(nn.Module):
    """The rectification network: EDSR (arXiv 1707.02921) without its mean shift, upsampler and global skip."""

    def __init__(self, in_channels: int, blocks: int = 10, channels: int = 128) -> None:
        super().__init__()
        self.head = conv(in_channels, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)), conv(channels, channels))
        self.tail = conv(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to a correction ``(N, 3, H, W)``."""
        correction: Tensor = self.tail(self.body(self.head(x)))
        return correction


def edsr(shapes: Shapes, prefix: str) -> EDSR:
    """The network whose tensors ``shapes`` lists under ``prefix``."""
    channels, in_channels = shapes[f"{prefix}head.weight"][:2]
    blocks = sum(name.startswith(f"{prefix}body.") and name.endswith("conv1.weight") for name in shapes)
    return EDSR(in_channels, blocks, channels)
