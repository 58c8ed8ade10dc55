"""The network of PWC-Net, with the dense decoders and the context network of its published weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import DENSE, DenseBlock, conv, conv_leaky, dilated_context, in_float32
from vsvfi.ops import backward_warp, correlation

__all__ = ["FLOW_UNIT", "WIDTHS", "Level", "PWCNet", "build", "estimate", "feature_pyramid", "warp"]

FLOW_UNIT = 20.0
"""Pixels of full resolution that a predicted value of 1 stands for (section 4 of the paper)."""

WIDTHS = (16, 32, 64, 96, 128, 196)
"""Channels of the levels 1 to 6 of the feature pyramid."""

_RADIUS = 4
_MATCHES = (2 * _RADIUS + 1) ** 2


def _upsample(in_channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(in_channels, 2, 4, 2, 1)


class Level(nn.Module):
    """What a pyramid level does with its cost volume: dense layers, a flow, and both upsampled for the next."""

    def __init__(self, in_channels: int, widths: Sequence[int] = DENSE, *, last: bool) -> None:
        super().__init__()
        self.dense = DenseBlock(in_channels, widths)
        self.predict = conv(self.dense.out_channels, 2)
        if not last:
            self.upsample_flow = _upsample(2)
            self.upsample_features = _upsample(self.dense.out_channels)


def feature_pyramid(widths: Sequence[int] = WIDTHS, *, first_stride: int = 2) -> nn.ModuleDict:
    """Six levels of three convolutions; every level halves the size, the first too unless ``first_stride`` is 1."""
    pyramid = nn.ModuleDict()
    channels, stride = 3, first_stride
    for level, width in enumerate(widths, start=1):
        pyramid[str(level)] = nn.Sequential(
            conv_leaky(channels, width, stride=stride), conv_leaky(width, width), conv_leaky(width, width)
        )
        channels, stride = width, 2
    return pyramid


def warp(features: Tensor, flow: Tensor, *, inside: float = 0.9999, align_corners: bool = True) -> Tensor:
    """Backward warp that gives zero where the weights of a sample's pixels in the image sum to less than ``inside``."""
    ones = torch.ones_like(features[:, :1])
    warped = backward_warp(torch.cat((features, ones), 1), flow, border="zeros", align_corners=align_corners)
    return warped[:, :-1] * (warped[:, -1:] >= inside)


class PWCNet(nn.Module):
    """Flow from coarse to fine over the levels 6 to 2 of a feature pyramid.

    Frames are whatever the weights were trained on, in [0, 1]; sides are multiples of 64. ``widths`` are the channels
    of the pyramid's levels, ``dense`` those of the layers of every decoder.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, dense: Sequence[int] = DENSE) -> None:
        super().__init__()
        self.pyramid = feature_pyramid(widths)
        self.levels = nn.ModuleDict({"6": Level(_MATCHES, dense, last=False)})
        for level in (5, 4, 3, 2):
            # Beside the cost volume: the first frame's features, and flow and features from the level below.
            self.levels[str(level)] = Level(_MATCHES + widths[level - 1] + 4, dense, last=level == 2)
        finest = self.levels["2"]
        assert isinstance(finest, Level)
        self.context = dilated_context(finest.dense.out_channels, dense)

    def features(self, frame: Tensor) -> list[Tensor]:
        """The features of a frame at 1/4 to 1/64 of its size (levels 2 to 6)."""
        levels = []
        for stage in self.pyramid.values():
            frame = stage(frame)
            levels.append(frame)
        return levels[1:]

    def match(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Flows from the first to the second frame, by their `features`.

        Returns:
            ``(N, 2, H / 2**l, W / 2**l)`` for the levels l = 2 to 6, fp32, in units of `FLOW_UNIT` pixels of full
            resolution.
        """
        flows: list[Tensor] = []
        above: list[Tensor] = []
        for level in (6, 5, 4, 3, 2):
            part = self.levels[str(level)]
            assert isinstance(part, Level)
            ours, theirs = first[level - 2], second[level - 2]
            if level < 6:
                theirs = warp(theirs, above[0] * (FLOW_UNIT / 2**level))
            cost = functional.leaky_relu(correlation(ours, theirs, radius=_RADIUS), 0.1)
            x = part.dense(cost if level == 6 else torch.cat((cost, ours, *above), 1))
            flow = in_float32(part.predict, x)
            if level > 2:
                above = [in_float32(part.upsample_flow, flow), part.upsample_features(x)]
            else:
                flow = flow + in_float32(self.context[-1], self.context[:-1](x))
            flows.insert(0, flow)
        return flows

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """The flows of `match` for two frames ``(N, 3, H, W)``."""
        levels = self.features(torch.cat((first, second)))
        size = len(first)
        return self.match([level[:size] for level in levels], [level[size:] for level in levels])


def build(shapes: Shapes) -> PWCNet:
    """The network with the channels that the shapes show."""
    widths = [shapes[f"pyramid.{level}.0.0.weight"][0] for level in range(1, 7)]
    dense = [shapes[f"levels.6.dense.{index}.0.weight"][0] for index in range(len(DENSE))]
    return PWCNet(widths, dense)


def estimate(network: PWCNet, frame0: Tensor, frame1: Tensor) -> Tensor:
    """Flow in pixels at full size from RGB frames; the published weights were trained on BGR."""
    finest = network(frame0.flip(1), frame1.flip(1))[0]
    return functional.interpolate(FLOW_UNIT * finest, scale_factor=4, mode="bilinear", align_corners=False)
