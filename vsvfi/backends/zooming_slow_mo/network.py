"""The network of Zooming Slow-Mo (arXiv 2002.11616, figure 2).

Features of the missing frames are interpolated between those of the given ones, a bidirectional deformable
ConvLSTM aggregates the whole sequence, and every frame, given or new, is reconstructed at four times the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import ResidualBlock, conv
from vsvfi.nets.geometry import resize
from vsvfi.ops import deform_conv2d

__all__ = ["Pyramid", "ZoomingSlowMo", "build", "create", "example"]

_GROUPS = 8


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


class Pyramid(NamedTuple):
    """Features ``(N, channels, H, W)`` at full, half and quarter size."""

    l1: Tensor
    l2: Tensor
    l3: Tensor


class _PyramidLayers(nn.Module):
    """Builds the smaller levels of a `Pyramid` from the largest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.l2_conv1 = conv(channels, channels, stride=2)
        self.l2_conv2 = conv(channels, channels)
        self.l3_conv1 = conv(channels, channels, stride=2)
        self.l3_conv2 = conv(channels, channels)

    def forward(self, l1: Tensor) -> Pyramid:
        l2 = _leaky(self.l2_conv2(_leaky(self.l2_conv1(l1))))
        l3 = _leaky(self.l3_conv2(_leaky(self.l3_conv1(l2))))
        return Pyramid(l1, l2, l3)


class _DeformableConv(nn.Module):
    """A modulated deformable convolution whose offsets and masks come from features of their own."""

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        taps = kernel_size * kernel_size
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.offset_and_mask = conv(channels, 3 * _GROUPS * taps)
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        # Training begins with the ordinary convolution, halved: no offsets, masks of 1/2.
        nn.init.zeros_(self.offset_and_mask.weight)
        nn.init.zeros_(self.offset_and_mask.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        offset_and_mask = self.offset_and_mask(features).float()
        split = 2 * offset_and_mask.shape[1] // 3
        offset, mask = offset_and_mask[:, :split], torch.sigmoid(offset_and_mask[:, split:])
        return deform_conv2d(x, offset, mask, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class _AlignmentLevel(nn.Module):
    """One level of `_Alignment`: offset features, the moved features, and what both become with the level below."""

    def __init__(self, channels: int, *, coarsest: bool = False) -> None:
        super().__init__()
        self.coarsest = coarsest
        self.offset_conv1 = conv(2 * channels, channels)
        if coarsest:
            self.offset_conv2 = conv(channels, channels)
        else:
            self.offset_conv2 = conv(2 * channels, channels)
            self.offset_conv3 = conv(channels, channels)
            self.merge = conv(2 * channels, channels)
        self.deform = _DeformableConv(channels)

    def forward(self, moving: Tensor, fixed: Tensor, below: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Offset features and aligned features (before an activation), given those of the level below."""
        offsets = _leaky(self.offset_conv1(torch.cat((moving, fixed), 1)))
        if below is None:
            offsets = _leaky(self.offset_conv2(offsets))
            return offsets, self.deform(moving, offsets)
        offsets_below, aligned_below = resize(below[0], 2), resize(_leaky(below[1]), 2)
        # Offsets count pixels of their level, so the features that make them are doubled on the way up.
        offsets = _leaky(self.offset_conv2(torch.cat((offsets, 2 * offsets_below), 1)))
        offsets = _leaky(self.offset_conv3(offsets))
        aligned = self.deform(moving, offsets)
        return offsets, self.merge(torch.cat((aligned, aligned_below), 1))


class _Alignment(nn.Module):
    """Moves one pyramid of features towards another, from coarse to fine (EDVR's PCD alignment)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.l3 = _AlignmentLevel(channels, coarsest=True)
        self.l2 = _AlignmentLevel(channels)
        self.l1 = _AlignmentLevel(channels)

    def forward(self, moving: Pyramid, fixed: Pyramid) -> Tensor:
        below = self.l3(moving.l3, fixed.l3, None)
        below = self.l2(moving.l2, fixed.l2, below)
        _, aligned = self.l1(moving.l1, fixed.l1, below)
        return aligned  # type: ignore[no-any-return]


class _MutualAlignment(nn.Module):
    """Each of two pyramids moved towards the other, ``(N, 2 * channels, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Alignment(channels)
        self.second = _Alignment(channels)

    def forward(self, first: Pyramid, second: Pyramid) -> Tensor:
        return torch.cat((self.first(first, second), self.second(second, first)), 1)


class _StateAlignment(nn.Module):
    """A state of the LSTM, aligned with the features of the current step (section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pyramid = _PyramidLayers(channels)
        self.align = _MutualAlignment(channels)
        self.fusion = conv(2 * channels, channels, 1)

    def forward(self, features: Tensor, state: Tensor) -> Tensor:
        return self.fusion(self.align(self.pyramid(features), self.pyramid(state)))  # type: ignore[no-any-return]


class _DeformableConvLSTM(nn.Module):
    """A ConvLSTM whose hidden and cell states are aligned with each step's features first (section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cell = conv(2 * channels, 4 * channels)
        self.align_hidden = _StateAlignment(channels)
        self.align_cell = _StateAlignment(channels)

    def forward(self, sequence: Sequence[Tensor]) -> list[Tensor]:
        """The hidden state after each step."""
        hidden = cell = torch.zeros_like(sequence[0])
        states = []
        for features in sequence:
            hidden, cell = self.align_hidden(features, hidden), self.align_cell(features, cell)
            gates = self.cell(torch.cat((features, hidden), 1))
            into, forget, out, new = gates.chunk(4, 1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
            states.append(hidden)
        return states


class ZoomingSlowMo(nn.Module):
    """Frames are RGB in [0, 1]; H and W are multiples of 4.

    Args:
        channels: of all features.
        extraction: residual blocks that see one frame.
        reconstruction: residual blocks that make one frame.
    """

    def __init__(self, *, channels: int = 64, extraction: int = 5, reconstruction: int = 40) -> None:
        super().__init__()
        self.conv_first = conv(3, channels)
        self.extraction = nn.Sequential(*(ResidualBlock(channels) for _ in range(extraction)))
        self.pyramid = _PyramidLayers(channels)
        self.align = _MutualAlignment(channels)
        self.fusion = conv(2 * channels, channels, 1)
        self.lstm = _DeformableConvLSTM(channels)
        self.merge = conv(2 * channels, channels, 1)
        self.reconstruction = nn.Sequential(*(ResidualBlock(channels) for _ in range(reconstruction)))
        self.upconv1 = conv(channels, 4 * channels)
        self.upconv2 = conv(channels, 4 * channels)
        self.conv_hr = conv(channels, channels)
        self.conv_last = conv(channels, 3)

    def encode(self, frame: Tensor) -> Pyramid:
        """The features of one frame ``(N, 3, H, W)``."""
        pyramid: Pyramid = self.pyramid(self.extraction(_leaky(self.conv_first(frame))))
        return pyramid

    def interpolate(self, first: Pyramid, second: Pyramid) -> Tensor:
        """The features of the frame between two (section 3.2)."""
        features: Tensor = self.fusion(self.align(first, second))
        return features

    def aggregate(self, sequence: Sequence[Tensor]) -> list[Tensor]:
        """The features of every frame after the LSTM has been through the sequence in both directions."""
        batch = len(sequence[0])
        # One set of weights serves both directions: they run as one batch.
        both = [torch.cat(pair) for pair in zip(sequence, reversed(sequence), strict=True)]
        states = self.lstm(both)
        return [
            self.merge(torch.cat((ahead[:batch], back[batch:]), 1))
            for ahead, back in zip(states, reversed(states), strict=True)
        ]

    def prepare(self, pyramids: Sequence[Pyramid]) -> list[Tensor]:
        """The aggregated features of all frames, given and missing in turn."""
        return self.aggregate(self.sequence(pyramids))

    def synthesize(self, features: Tensor) -> Tensor:
        """A frame ``(N, 3, 4 H, 4 W)`` from its aggregated features, not clamped."""
        x = self.reconstruction(features)
        x = _leaky(F.pixel_shuffle(self.upconv1(x), 2))
        x = _leaky(F.pixel_shuffle(self.upconv2(x), 2))
        frame: Tensor = self.conv_last(_leaky(self.conv_hr(x))).float()
        return frame

    def sequence(self, pyramids: Sequence[Pyramid]) -> list[Tensor]:
        """The features of all frames, given and missing in turn, before they are aggregated."""
        sequence = [pyramids[0].l1]
        for first, second in pairwise(pyramids):
            sequence += [self.interpolate(first, second), second.l1]
        return sequence

    def forward(self, frames: Sequence[Tensor]) -> list[Tensor]:
        """All ``2 K - 1`` frames ``(N, 3, 4 H, 4 W)`` of K given ones ``(N, 3, H, W)``."""
        return [self.synthesize(x) for x in self.prepare([self.encode(frame) for frame in frames])]


def build(shapes: Shapes) -> ZoomingSlowMo:
    """The network whose state dict has these shapes; the published one when there are none."""

    def blocks(name: str, published: int) -> int:
        return len({key.split(".")[1] for key in shapes if key.startswith(f"{name}.")}) or published

    return ZoomingSlowMo(
        channels=shapes.get("conv_first.weight", (64,))[0],
        extraction=blocks("extraction", 5),
        reconstruction=blocks("reconstruction", 40),
    )


def create(_name: str) -> ZoomingSlowMo:
    """The untrained network at its published size."""
    return ZoomingSlowMo()


def example(_name: str) -> ZoomingSlowMo:
    """A very small untrained network."""
    return ZoomingSlowMo(channels=_GROUPS, extraction=1, reconstruction=1)
