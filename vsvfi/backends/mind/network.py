"""The network of MIND (arXiv 1603.06041): a convolutional encoder-decoder with three skip connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv

__all__ = ["MIND", "build", "create", "example"]

WIDTHS = (96, 96, 128, 128, 128)

type Activation = Callable[[], nn.Module]


class _Encoder(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, activation: Activation) -> None:
        super().__init__()
        self.conv1, self.act1 = conv(in_channels, out_channels), activation()
        self.conv2, self.act2 = conv(out_channels, out_channels), activation()
        self.conv3, self.act3 = conv(out_channels, out_channels), activation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(x))
        x = self.act2(self.conv2(x))
        x = self.act3(self.conv3(x))
        return F.max_pool2d(x, 2)


class _Decoder(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, activation: Activation) -> None:
        super().__init__()
        self.deconv, self.act = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1), activation()
        self.conv1, self.act1 = conv(out_channels, out_channels), activation()
        self.conv2, self.act2 = conv(out_channels, out_channels), activation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.deconv(x))
        x = self.act1(self.conv1(x))
        return self.act2(self.conv2(x))  # type: ignore[no-any-return]


class MIND(nn.Module):
    """Two RGB frames in [0, 1] to the one between; H and W are multiples of 32.

    Args:
        widths: channels of the five encoder blocks.
        activation: makes the activation after every convolution, the last one too. The paper's is PReLU; the
            one public re-implementation uses ReLU.
    """

    def __init__(self, *, widths: Sequence[int] = WIDTHS, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.enc1 = _Encoder(6, w1, activation)
        self.enc2 = _Encoder(w1, w2, activation)
        self.enc3 = _Encoder(w2, w3, activation)
        self.enc4 = _Encoder(w3, w4, activation)
        self.enc5 = _Encoder(w4, w5, activation)
        self.dec5 = _Decoder(w5, w5, activation)
        self.dec4 = _Decoder(w5 + w4, w4, activation)
        self.dec3 = _Decoder(w4 + w3, w3, activation)
        self.dec2 = _Decoder(w3 + w2, w2, activation)
        self.dec1 = _Decoder(w2, w1, activation)
        self.out, self.out_act = conv(w1, 3, 1), activation()

    def prepare(self, frame0: Tensor, frame1: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The pooled features of encoder blocks 2 to 5, at 1/4 to 1/32 of the size."""
        e2 = self.enc2(self.enc1(torch.cat((frame0, frame1), 1)))
        e3 = self.enc3(e2)
        e4 = self.enc4(e3)
        return e2, e3, e4, self.enc5(e4)

    def synthesize(self, e2: Tensor, e3: Tensor, e4: Tensor, e5: Tensor) -> Tensor:
        """The frame decoded from the features of `prepare`."""
        d4 = self.dec4(torch.cat((self.dec5(e5), e4), 1))
        d3 = self.dec3(torch.cat((d4, e3), 1))
        d2 = self.dec2(torch.cat((d3, e2), 1))
        return self.out_act(self.out(self.dec1(d2)))  # type: ignore[no-any-return]

    def forward(self, frame0: Tensor, frame1: Tensor) -> Tensor:
        """The frame ``(N, 3, H, W)`` halfway between two frames."""
        return self.synthesize(*self.prepare(frame0, frame1))


def build(shapes: Shapes) -> MIND:
    """The network whose state dict has these shapes: with ReLU where there are tensors but no PReLU slopes."""
    relu = bool(shapes) and "out_act.weight" not in shapes
    widths = [shapes.get(f"enc{block}.conv1.bias", (width,))[0] for block, width in enumerate(WIDTHS, start=1)]
    return MIND(widths=widths, activation=nn.ReLU if relu else nn.PReLU)


def create(_name: str) -> MIND:
    """The paper's network, untrained."""
    return MIND()


def example(_name: str) -> MIND:
    """A very small untrained network."""
    return MIND(widths=(4, 4, 6, 6, 8))
