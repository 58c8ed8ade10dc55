"""GMFlow's image encoder: residual blocks, and one kernel that makes features at two scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.blocks import conv

__all__ = ["Backbone"]


class _Block(nn.Module):
    """Two convolutions around a shortcut; the branch is rectified before the sum as well."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, stride=stride, bias=False)
        self.conv2 = conv(out_channels, out_channels, bias=False)
        self.downsample = (
            nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride), nn.InstanceNorm2d(out_channels))
            if stride > 1 or in_channels != out_channels
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        branch = torch.relu(functional.instance_norm(self.conv1(x)))
        branch = torch.relu(functional.instance_norm(self.conv2(branch)))
        return torch.relu(self.downsample(x) + branch)


class Backbone(nn.Module):
    """Features of an RGB frame at 1/8 and at 1/4 of its size, ``channels`` wide both."""

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        widths = (channels // 2, 3 * channels // 4, channels)
        self.conv1 = conv(3, widths[0], 7, stride=2, bias=False)
        self.layer1 = nn.Sequential(_Block(widths[0], widths[0], 1), _Block(widths[0], widths[0], 1))
        self.layer2 = nn.Sequential(_Block(widths[0], widths[1], 2), _Block(widths[1], widths[1], 1))
        self.layer3 = nn.Sequential(_Block(widths[1], widths[2], 1), _Block(widths[2], widths[2], 1))
        self.conv2 = nn.Conv2d(widths[2], channels, 1)
        self.trident_conv = conv(channels, channels, bias=False)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 3, H, W)``, normalised, to ``(N, C, H/8, W/8)`` and ``(N, C, H/4, W/4)``."""
        x = torch.relu(functional.instance_norm(self.conv1(frame)))
        x = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return functional.conv2d(x, self.trident_conv.weight, stride=2, padding=1), self.trident_conv(x)
