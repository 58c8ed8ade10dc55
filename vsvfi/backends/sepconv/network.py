"""The network of SepConv (arXiv 1708.01692, figure 2): an encoder-decoder that ends in four 1-D kernels a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.ops import separable_conv

__all__ = ["Kernels", "SepConv", "build", "create", "example"]


WIDTHS = (32, 64, 128, 256, 512)


class Kernels(NamedTuple):
    """The 1-D kernels ``(N, taps, H, W)`` of both frames."""

    vertical1: Tensor
    horizontal1: Tensor
    vertical2: Tensor
    horizontal2: Tensor


def _basic(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv(in_channels, out_channels),
        nn.ReLU(),
        conv(out_channels, out_channels),
        nn.ReLU(),
        conv(out_channels, out_channels),
        nn.ReLU(),
    )


def _double() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


def _upsample(channels: int) -> nn.Sequential:
    return nn.Sequential(_double(), conv(channels, channels), nn.ReLU())


def _subnet(channels: int, taps: int) -> nn.Sequential:
    return nn.Sequential(
        conv(channels, channels),
        nn.ReLU(),
        conv(channels, channels),
        nn.ReLU(),
        conv(channels, taps),
        nn.ReLU(),
        _double(),
        conv(taps, taps),
    )


class SepConv(nn.Module):
    """Kernel estimation and adaptive separable convolution.

    Args:
        taps: the length of the kernels, odd.
        widths: channels of the five encoder levels.
    """

    def __init__(self, *, taps: int = 51, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.conv1 = _basic(6, w1)
        self.conv2 = _basic(w1, w2)
        self.conv3 = _basic(w2, w3)
        self.conv4 = _basic(w3, w4)
        self.conv5 = _basic(w4, w5)
        self.deconv5, self.upsample5 = _basic(w5, w5), _upsample(w5)
        self.deconv4, self.upsample4 = _basic(w5, w4), _upsample(w4)
        self.deconv3, self.upsample3 = _basic(w4, w3), _upsample(w3)
        self.deconv2, self.upsample2 = _basic(w3, w2), _upsample(w2)
        self.vertical1 = _subnet(w2, taps)
        self.vertical2 = _subnet(w2, taps)
        self.horizontal1 = _subnet(w2, taps)
        self.horizontal2 = _subnet(w2, taps)
        self.margin = taps // 2

    def prepare(self, frame1: Tensor, frame2: Tensor) -> Kernels:
        """The kernels for the middle of two frames ``(N, 3, H, W)``; H and W are multiples of 32."""
        c1 = self.conv1(torch.cat((frame1, frame2), 1))
        c2 = self.conv2(F.avg_pool2d(c1, 2))
        c3 = self.conv3(F.avg_pool2d(c2, 2))
        c4 = self.conv4(F.avg_pool2d(c3, 2))
        c5 = self.conv5(F.avg_pool2d(c4, 2))
        d5 = self.upsample5(self.deconv5(F.avg_pool2d(c5, 2)))
        d4 = self.upsample4(self.deconv4(d5 + c5))
        d3 = self.upsample3(self.deconv3(d4 + c4))
        d2 = self.upsample2(self.deconv2(d3 + c3))
        combined = d2 + c2
        # 51 x 51 products are summed: in half precision the brightness itself would be lost.
        return Kernels(
            self.vertical1(combined).float(),
            self.horizontal1(combined).float(),
            self.vertical2(combined).float(),
            self.horizontal2(combined).float(),
        )

    def synthesize(self, frame1: Tensor, frame2: Tensor, kernels: Kernels) -> Tensor:
        """The new frame: the sum of both frames, each convolved with its own kernels at every pixel."""
        padded1 = F.pad(frame1, [self.margin] * 4, mode="replicate").float()
        padded2 = F.pad(frame2, [self.margin] * 4, mode="replicate").float()
        return separable_conv(padded1, kernels.vertical1, kernels.horizontal1) + separable_conv(
            padded2, kernels.vertical2, kernels.horizontal2
        )

    def forward(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        """The middle frame ``(N, 3, H, W)`` of two frames, in the range and channel order of the frames."""
        return self.synthesize(frame1, frame2, self.prepare(frame1, frame2))


def build(shapes: Shapes) -> SepConv:
    """The network whose state dict has these shapes; the published one when there are none."""
    taps = shapes.get("vertical1.7.bias", (51,))[0]
    widths = [shapes.get(f"conv{level}.0.bias", (width,))[0] for level, width in enumerate(WIDTHS, start=1)]
    return SepConv(taps=taps, widths=widths)


def create(_name: str) -> SepConv:
    """The untrained network at its published size."""
    return SepConv()


def example(_name: str) -> SepConv:
    """A very small untrained network."""
    return SepConv(taps=5, widths=(4, 4, 6, 6, 8))
