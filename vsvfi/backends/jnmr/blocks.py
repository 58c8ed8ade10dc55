"""What the baseline and the full JNMR network share: the U-Net on the frames, the motion heads, the GridNet.

Channel counts are those of the published baseline; ``channels`` scales them (24 = as published).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["HEADS", "PUBLISHED_CHANNELS", "GridNet", "Head", "Trunk", "scaled"]

PUBLISHED_CHANNELS = 24

HEADS: Mapping[str, tuple[tuple[int, int, int], ...]] = MappingProxyType(
    {
        "weight": ((51, 49, 21), (50, 49, 20), (50, 49, 20), (50, 49, 20)),
        "alpha": ((50, 48, 20), (50, 49, 20), (50, 49, 20), (50, 49, 20)),
        "beta": ((51, 50, 20), (51, 50, 20), (51, 50, 20), (51, 50, 20)),
        "occlusion": ((52, 51, 48),),
        "blend": ((52, 51, 48),),
    }
)
"""Hidden channels of the heads: the three components of each frame's motion, the occlusion and the blend map."""


def scaled(published: int, channels: int) -> int:
    """A published channel count in a network of another width, there in multiples of 8 as processors like them."""
    if channels == PUBLISHED_CHANNELS:
        return published
    return 8 * max(1, round(published * channels / PUBLISHED_CHANNELS / 8))


def _convs(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def _upsample(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


class Trunk(nn.Module):
    """Features of the four frames at half size, and two coarser ones on the way.

    ``regression_driven`` cuts the published U-Net after its third level and adds the multi-stage compensation:
    RDFL, equations 15 to 17 of the paper. Otherwise it is the U-Net of the published baseline.
    """

    def __init__(self, *, inputs: int, channels: int, regression_driven: bool) -> None:
        super().__init__()

        def width(published: int) -> int:
            return scaled(published, channels)

        half, quarter = width(51), width(94)
        self.regression_driven = regression_driven
        self.conv1 = _convs(inputs, channels, channels, channels)
        self.conv2 = _convs(channels, width(48), width(48), half)
        self.conv3 = _convs(half, width(99), width(97), quarter)
        if regression_driven:
            self.compensation = _convs(quarter, width(45), width(47), width(44))
            self.compensation_upsample = _upsample(width(44), half)
        else:
            eighth, sixteenth = width(159), width(121)
            self.conv4 = _convs(quarter, width(156), width(142), eighth)
            self.conv5 = _convs(eighth, width(92), width(72), sixteenth)
            self.deconv5 = _convs(sixteenth, width(99), width(69), width(36))
            self.upsample5 = _upsample(width(36), sixteenth)
            self.deconv4 = _convs(sixteenth, width(74), width(83), width(81))
            self.upsample4 = _upsample(width(81), eighth)
        self.deconv3 = _convs(quarter if regression_driven else eighth, width(83), width(88), width(72))
        self.upsample3 = _upsample(width(72), quarter)
        self.deconv2 = _convs(quarter, width(45), width(47), width(44))
        self.upsample2 = _upsample(width(44), half)
        self.outputs = half
        self.coarse_outputs = quarter

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/2 (F5), 1/4 (F3) and 1/8 (F2) of the size of ``frames`` ``(N, C, H, W)``."""
        half = self.conv2(F.avg_pool2d(self.conv1(frames), 2))
        quarter = self.conv3(F.avg_pool2d(half, 2))
        eighth = F.avg_pool2d(quarter, 2)
        deep = eighth
        if not self.regression_driven:
            level4 = self.conv4(eighth)
            level5 = self.conv5(F.avg_pool2d(level4, 2))
            deep = self.upsample5(self.deconv5(F.avg_pool2d(level5, 2))) + level5
            deep = self.upsample4(self.deconv4(deep)) + level4
        fine = self.upsample3(self.deconv3(deep)) + quarter
        combined = self.upsample2(self.deconv2(fine)) + half
        if self.regression_driven:
            combined = combined + self.compensation_upsample(self.compensation(quarter))
        return combined, fine, eighth


class Head(nn.Module):
    """One map from the trunk's features: three convolutions at half size, and the last one."""

    def __init__(self, *, inputs: int, hidden: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.features = _convs(inputs, *hidden)
        self.final = nn.Conv2d(hidden[-1], outputs, 3, padding=1)

    def forward(self, features: Tensor, *, upsample: bool = False) -> Tensor:
        """The map at the size of ``features``, or, upsampled before the last convolution, at twice it."""
        hidden = self.features(features)
        if upsample:
            hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=True)
        output: Tensor = self.final(hidden)
        return output


class _Lateral(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.PReLU(), nn.Conv2d(inputs, outputs, 3, padding=1), nn.PReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        if inputs != outputs:
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.conv(x) if hasattr(self, "conv") else x
        output: Tensor = self.f(x) + skip
        return output


class _Vertical(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        convs = (
            nn.PReLU(),
            nn.Conv2d(inputs, outputs, 3, stride=2 if down else 1, padding=1),
            nn.PReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        up = () if down else (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),)
        self.f = nn.Sequential(*up, *convs)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.f(x)
        return output


def _grid(rows: Sequence[Sequence[nn.Module]]) -> nn.ModuleList:
    return nn.ModuleList([nn.ModuleList(row) for row in rows])


class GridNet(nn.Module):
    """Three rows at full, half and quarter size, six columns: down in the first three, up in the last three."""

    def __init__(self, *, inputs: int, channels: int = 32, coarse_inputs: int = 0) -> None:
        super().__init__()
        rows = (channels, 2 * channels, 3 * channels)
        self.lateral_init = _Lateral(inputs, rows[0])
        self.lateral = _grid([[_Lateral(row, row) for _ in range(5)] for row in rows])
        steps = list(itertools.pairwise(rows))
        self.down = _grid([[_Vertical(above, below, down=True) for _ in range(3)] for above, below in steps])
        self.up = _grid([[_Vertical(below, above, down=False) for _ in range(3)] for above, below in steps])
        self.lateral_final = _Lateral(rows[0], 3)
        if coarse_inputs:
            self.lateral_coarse = _Lateral(coarse_inputs, rows[2])

    def forward(self, x: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Three channels from ``x`` ``(N, C, H, W)``; ``coarse`` enters the third row, at quarter size."""
        lateral, down, up = (_columns(part) for part in (self.lateral, self.down, self.up))
        top = self.lateral_init(x)
        middle = down[0][0](top)
        bottom = down[1][0](middle)
        if coarse is not None:
            bottom = bottom + self.lateral_coarse(coarse)
        for column in range(2):
            top = lateral[0][column](top)
            middle = down[0][column + 1](top) + lateral[1][column](middle)
            bottom = down[1][column + 1](middle) + lateral[2][column](bottom)
        for column in range(2, 5):
            bottom = lateral[2][column](bottom)
            middle = up[1][column - 2](bottom) + lateral[1][column](middle)
            top = up[0][column - 2](middle) + lateral[0][column](top)
        output: Tensor = self.lateral_final(top)
        return output


def _columns(rows: nn.ModuleList) -> list[list[nn.Module]]:
    return [list(cast(nn.ModuleList, row)) for row in rows]


def tap_grid(kernel_size: int, dilation: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The undisplaced positions ``(y, x)`` of an AdaCoF kernel's taps relative to its pixel, each ``(K * K,)``."""
    reach = (kernel_size - 1) * dilation / 2
    taps = torch.arange(kernel_size, dtype=torch.float32, device=like.device) * dilation - reach
    return taps.repeat_interleave(kernel_size), taps.repeat(kernel_size)


def side_length(taps: int) -> int:
    """The side of a square kernel of ``taps`` taps."""
    return math.isqrt(taps)
