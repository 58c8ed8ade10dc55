"""RAFT's convolutional encoder (section 3.1), in the widths and depths of its descendants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["BottleneckBlock", "Encoder", "ResidualBlock"]

type Norm = Callable[[int], nn.Module]


def _shortcut(in_channels: int, channels: int, stride: int, norm: Norm) -> nn.Module:
    if stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride), norm(channels))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions; their result is rectified before it is added to the shortcut, and again after."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm2 = norm(channels)
        self.downsample = _shortcut(in_channels, channels, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H / stride, W / stride)``."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        return torch.relu(self.downsample(x) + y)


class BottleneckBlock(nn.Module):
    """As `ResidualBlock`, with one 3x3 convolution in a quarter of the channels."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, norm: Norm) -> None:
        super().__init__()
        narrow = channels // 4
        self.conv1 = nn.Conv2d(in_channels, narrow, 1)
        self.norm1 = norm(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, 1)
        self.norm2 = norm(narrow)
        self.conv3 = nn.Conv2d(narrow, channels, 1)
        self.norm3 = norm(channels)
        self.downsample = _shortcut(in_channels, channels, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H / stride, W / stride)``."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        y = torch.relu(self.norm3(self.conv3(y)))
        return torch.relu(self.downsample(x) + y)


class Encoder(nn.Module):
    """Features of a frame at 1/8 of its size.

    Args:
        out_channels: channels of the result.
        norm: makes the normalisation of so many channels.
        widths: channels of the stages; the second and third halve the size.
        block: what the stages are built of, two each.
    """

    def __init__(
        self,
        out_channels: int,
        *,
        norm: Norm = nn.InstanceNorm2d,
        widths: Sequence[int] = (64, 96, 128),
        block: type[ResidualBlock] | type[BottleneckBlock] = ResidualBlock,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3)
        self.norm1 = norm(widths[0])
        self.layers = nn.ModuleList()
        in_channels = widths[0]
        for index, width in enumerate(widths):
            stride = 2 if index in (1, 2) else 1
            first = block(in_channels, width, stride=stride, norm=norm)
            self.layers.append(nn.Sequential(first, block(width, width, stride=1, norm=norm)))
            in_channels = width
        self.conv2 = nn.Conv2d(in_channels, out_channels, 1)

    def stages(self, frame: Tensor) -> list[Tensor]:
        """What every stage makes of ``frame`` ``(N, 3, H, W)``, finest first."""
        x = torch.relu(self.norm1(self.conv1(frame)))
        results = []
        for layer in self.layers:
            x = layer(x)
            results.append(x)
        return results

    def forward(self, frame: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, out_channels, H / 8, W / 8)``."""
        return self.conv2(self.stages(frame)[-1])  # type: ignore[no-any-return]
