"""Intermediate-feature refinement: the encoder and decoders of IFRNet (CVPR 2022, sections 3.1 and 3.2).

AMT is built on the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vsvfi.nets.blocks import conv_prelu
from vsvfi.nets.fused import ConvActivation

__all__ = ["Decoder", "FusedSideResBlock", "PyramidEncoder", "SideResBlock", "mean_of"]


def mean_of(frame: Tensor) -> Tensor:
    """One number ``(N, 1, 1, 1)`` for all channels and pixels of a frame; networks see frames less that of a pair."""
    return frame.mean((1, 2, 3), keepdim=True)


class PyramidEncoder(nn.Module):
    """Four feature levels of one frame, at 1/2, 1/4, 1/8 and 1/16 of its size.

    Args:
        widths: channels of the four levels, finest first.
        first_kernel: kernel size of the very first convolution.
    """

    def __init__(self, widths: Sequence[int], first_kernel: int = 3) -> None:
        super().__init__()
        w1, w2, w3, w4 = widths
        self.pyramid1 = nn.Sequential(conv_prelu(3, w1, first_kernel, 2), conv_prelu(w1, w1))
        self.pyramid2 = nn.Sequential(conv_prelu(w1, w2, 3, 2), conv_prelu(w2, w2))
        self.pyramid3 = nn.Sequential(conv_prelu(w2, w3, 3, 2), conv_prelu(w3, w3))
        self.pyramid4 = nn.Sequential(conv_prelu(w3, w4, 3, 2), conv_prelu(w4, w4))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The features of ``image`` ``(N, 3, H, W)``, finest first."""
        f1 = self.pyramid1(image)
        f2 = self.pyramid2(f1)
        f3 = self.pyramid3(f2)
        return f1, f2, f3, self.pyramid4(f3)


class SideResBlock(nn.Module):
    """A residual block whose last ``side`` channels get convolutions of their own in between (section 3.2)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv1 = conv_prelu(channels, channels)
        self.conv2 = conv_prelu(side, side)
        self.conv3 = conv_prelu(channels, channels)
        self.conv4 = conv_prelu(side, side)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The block of ``x`` ``(N, channels, H, W)``, same shape."""
        y = self._refine_side(self.conv1(x), self.conv2)
        y = self._refine_side(self.conv3(y), self.conv4)
        return self.prelu(x + self.conv5(y))  # type: ignore[no-any-return]

    def _refine_side(self, y: Tensor, conv: nn.Module) -> Tensor:
        return torch.cat([y[:, : -self.side], conv(y[:, -self.side :])], 1)

    def fused(self, dtype: torch.dtype) -> FusedSideResBlock:
        """The same in fewer passes."""
        return FusedSideResBlock(self, dtype)


class FusedSideResBlock(nn.Module):
    """`SideResBlock` that changes the side channels where they are, and adds and rectifies in one pass."""

    def __init__(self, block: SideResBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.side = block.side
        pairs = (block.conv1, block.conv3), (block.conv2, block.conv4)
        self.convs, self.side_convs = (
            nn.ModuleList(
                ConvActivation(cast(nn.Conv2d, pair[0]), cast(nn.PReLU, pair[1]).weight, dtype) for pair in both
            )
            for both in pairs
        )
        self.conv5 = ConvActivation(block.conv5, block.prelu.weight, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The block of ``x`` ``(N, channels, H, W)``, same shape."""
        y = x
        for conv, side in zip(self.convs, self.side_convs, strict=True):
            y = conv(y)
            sides = y[:, y.shape[1] - self.side :]
            cast(ConvActivation, side).into(sides, sides)
        return self.conv5(y, x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Refines at one level and returns its result at twice the size."""

    def __init__(self, channels_in: int, width: int, channels_out: int, *, side: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            conv_prelu(channels_in, width),
            SideResBlock(width, side),
            nn.ConvTranspose2d(width, channels_out, 4, 2, 1),
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """``(N, channels_out, 2H, 2W)`` from the concatenated inputs ``(N, ., H, W)``."""
        return self.convblock(inputs[0] if len(inputs) == 1 else torch.cat(inputs, 1))  # type: ignore[no-any-return]
