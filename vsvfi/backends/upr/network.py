"""UPR-Net: A Unified Pyramid Recurrent Network for Video Frame Interpolation, CVPR 2023, arXiv 2211.03456.

The same three modules work at every level of an image pyramid: features, motion at a quarter of the level's size, and
the new frame. Level 0 is the full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, conv_leaky, in_float32
from vsvfi.nets.geometry import resize, resize_to
from vsvfi.ops import correlation, forward_splat

__all__ = ["FLOW_HEADS", "Frame", "Level", "UPRNet", "UPRState", "build", "create", "example", "levels_of"]

FLOW_HEADS = (r"^motion\.flow\.", r"^synthesis\.pred\.")

LEAST_LEVELS = 3
"""Levels that the published networks were trained with."""
TRAINED_SIDE = 448
"""The longer side of the frames they were trained on, in pixels; twice as large a frame gets a further level."""


def levels_of(height: int, width: int) -> int:
    """How many levels the authors use for frames of a size (they go by the width)."""
    levels = LEAST_LEVELS
    while TRAINED_SIDE << (levels - LEAST_LEVELS) < max(height, width):
        levels += 1
    return levels


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame at the levels that are used, coarse to fine, and its features there.

    ``features`` of a level are three maps: at its size, at 1/2 and at 1/4. ``finest`` is the finest level at which
    motion is estimated. ``size`` is the height and width that the frame had before it was padded.
    """

    levels: tuple[int, ...]
    images: tuple[Tensor, ...]
    features: tuple[tuple[Tensor, Tensor, Tensor], ...]
    finest: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Level:
    """What is known of a level whatever the time.

    ``flows`` are those between the frames, ``(N, 4, H, W)``, first to second and back, in pixels, and the same at 1/2
    and 1/4 of the size; ``images`` and ``features`` are those of both frames.
    """

    images: tuple[Tensor, Tensor]
    features: tuple[Sequence[Tensor], Sequence[Tensor]]
    flows: tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class UPRState:
    """The levels that are used, coarse to fine, and the height and width of the frames before they were padded."""

    levels: tuple[Level, ...]
    size: tuple[int, int]


def _splat(x: Tensor, flow: Tensor) -> Tensor:
    """Pixels moved along their flow, their mean where they meet, 0 where nothing arrives."""
    return forward_splat(x, flow, mode="average", epsilon="zero")


def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = [conv(in_channels, out_channels, stride=stride), nn.LeakyReLU(0.1)]
    for _ in range(3):
        layers += [conv(out_channels, out_channels), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


class MotionEstimator(nn.Module):
    """The flow both ways at a quarter of a level's size, from that of the coarser level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [81 + 3 * 4 * width + 4, *(factor * width for factor in (10, 8, 7, 6, 4))]
        self.layers = nn.Sequential(
            conv_leaky(widths[0], widths[1], 1),
            *(conv_leaky(before, after) for before, after in pairwise(widths[1:])),
        )
        self.flow = conv(widths[-1], 4)

    def forward(self, first: Tensor, second: Tensor, feature: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """The flow ``(N, 4, h, w)`` in pixels of the level, four times ``w`` wide, and the feature for the next level.

        Args:
            first: features ``(N, C, h, w)`` of the first frame.
            second: features of the second.
            feature: what the coarser level made, ``(N, C, h, w)``.
            flow: the coarser level's estimate, ``(N, 4, h, w)``, in pixels of this level.
        """
        # Both are moved to the middle, whatever the time: half the way, in pixels a quarter as large.
        moved = _splat(first, flow[:, :2] * 0.125), _splat(second, flow[:, 2:] * 0.125)
        found = functional.leaky_relu(correlation(moved[0].float(), moved[1].float()), 0.1)
        feature = self.layers(torch.cat((found, *(x.float() for x in (*moved, feature)), flow), 1))
        return in_float32(self.flow, feature), feature


def _layers(in_channels: int, out_channels: int, count: int, *, stride: int = 1) -> nn.Sequential:
    """So many convolutions with PReLU, the first with the stride; a stride of 0 doubles the size."""
    if stride == 0:
        first: nn.Module = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
    else:
        first = conv(in_channels, out_channels, stride=stride)
    layers: list[nn.Module] = [first, nn.PReLU(out_channels)]
    for _ in range(count - 1):
        layers += [conv(out_channels, out_channels), nn.PReLU(out_channels)]
    return nn.Sequential(*layers)


class Synthesis(nn.Module):
    """The new frame of a level, from that of the coarser level and both frames moved to its time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder_conv = _layers(19, 2 * width, 2)
        self.encoder_down1 = _layers(4 * width, 4 * width, 3, stride=2)
        self.encoder_down2 = _layers(8 * width, 8 * width, 3, stride=2)
        self.decoder_up1 = _layers(16 * width, 4 * width, 2, stride=0)
        self.decoder_up2 = _layers(8 * width, 2 * width, 2, stride=0)
        self.decoder_conv = _layers(4 * width, 2 * width, 2)
        self.pred = conv(2 * width, 5)

    def forward(self, level: Level, coarser: Tensor | None, t: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``t`` ``(T, 1, 1, 1)``, in [0, 1].

        Args:
            level: of one pair.
            coarser: the frames of the coarser level ``(T, 3, H, W)``, at this level's size.
            t: the times.
        """
        ways = [(t * flow[:, :2], (1 - t) * flow[:, 2:]) for flow in level.flows]
        images = [image.expand(len(t), -1, -1, -1) for image in level.images]
        moved0, moved1 = (_splat(image, flow) for image, flow in zip(images, ways[0], strict=True))
        # The coarsest level starts from a blend; holes stay black.
        before = (1 - t) * moved0 + t * moved1 if coarser is None else coarser
        features = [
            torch.cat([_splat(x.expand(len(t), -1, -1, -1), way) for x, way in zip(maps, both, strict=True)], 1)
            for maps, both in zip(zip(*level.features, strict=True), ways, strict=True)
        ]
        e0 = self.encoder_conv(torch.cat((before, moved0, moved1, *images, *ways[0]), 1))
        e1 = self.encoder_down1(torch.cat((e0, features[0].to(e0.dtype)), 1))
        e2 = self.encoder_down2(torch.cat((e1, features[1].to(e1.dtype)), 1))
        x = self.decoder_up1(torch.cat((e2, features[2].to(e2.dtype)), 1))
        x = self.decoder_up2(torch.cat((x, e1), 1))
        x = self.decoder_conv(torch.cat((x, e0), 1))
        predicted = self.pred(x).float()
        mask0, mask1 = (1 - t) * torch.sigmoid(predicted[:, 3:4]), t * torch.sigmoid(predicted[:, 4:5])
        merged = (mask0 * moved0 + mask1 * moved1) / (mask0 + mask1)
        return (merged + 2 * torch.sigmoid(predicted[:, :3]) - 1).clamp(0, 1)


class UPRNet(nn.Module):
    """The frame at any time between two frames.

    Args:
        width: channels of the features at full size; all others are in proportion.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.features = nn.ModuleList(
            (_stage(3, width, 1), _stage(width, 2 * width, 2), _stage(2 * width, 4 * width, 2))
        )
        self.motion = MotionEstimator(width)
        self.synthesis = Synthesis(width)

    def encode(self, frame: Tensor, levels: int, finest: int = 0) -> Frame:
        """A frame ``(N, 3, H, W)``, BGR in [0, 1], with its features.

        Args:
            frame: of any size; it is padded to multiples of ``2 ** (levels + 1)``.
            levels: of the pyramid.
            finest: the finest level at which motion is estimated, below ``levels``; those between it and 0 are skipped.
        """
        height, width = frame.shape[-2:]
        multiple = 2 ** (levels + 1)
        frame = functional.pad(frame, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        used = (*range(levels - 1, finest - 1, -1), *([0] if finest else []))
        # Each level is made from the full size, of which it reads the pixels in the middle of its own.
        images = tuple(resize(frame, 2.0**-level) for level in used)
        return Frame(used, images, tuple(self._features(image) for image in images), finest, (height, width))

    def _features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        full = self.features[0](image)
        half = self.features[1](full)
        return full, half, self.features[2](half)

    def prepare(self, first: Frame, second: Frame) -> UPRState:
        """What does not depend on the time: the motion of all levels."""
        quarter = first.features[0][2]
        feature = torch.zeros_like(quarter)
        flow = feature.new_zeros((len(feature), 4, *feature.shape[2:]), dtype=torch.float32)
        levels: list[Level] = []
        for index, level in enumerate(first.levels):
            features = (first.features[index], second.features[index])
            if index:
                ratio = 2 ** (first.levels[index - 1] - level)
                flow = ratio * resize(flow, ratio)
                # The feature is doubled as the flow is: the published weights expect it.
                feature = ratio * resize(feature, ratio)
            if level >= first.finest:
                flow, feature = self.motion(features[0][2], features[1][2], feature, flow)
            full = resize(flow, 4)
            half = resize(full, 0.5) * 0.5
            flows = (full, half, resize(half, 0.5) * 0.5)
            levels.append(Level((first.images[index], second.images[index]), features, flows))
        return UPRState(tuple(levels), first.size)

    def synthesize(self, state: UPRState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps``: one for each of N pairs, or any number for one pair."""
        t = timesteps.view(-1, 1, 1, 1)
        frame: Tensor | None = None
        for level in state.levels:
            size = level.images[0].shape[-2], level.images[0].shape[-1]
            frame = self.synthesis(level, None if frame is None else resize_to(frame, size), t)
        assert frame is not None
        height, width = state.size
        return frame[..., :height, :width]

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, levels: int = LEAST_LEVELS) -> Tensor:
        """The frames at ``timesteps`` between ``(N, 3, H, W)``, BGR in [0, 1]; see `synthesize`."""
        return self.synthesize(self.prepare(self.encode(frame0, levels), self.encode(frame1, levels)), timesteps)


def build(shapes: Shapes) -> UPRNet:
    """The network whose state dict has these shapes."""
    return UPRNet(shapes["features.0.0.weight"][0])


def create(name: str) -> UPRNet:
    """The untrained network of the model called ``name``, at its published size."""
    return UPRNet({"upr-base": 16, "upr-large": 24, "upr-llarge": 32}[name])


def example(_name: str) -> UPRNet:
    """A very small untrained network."""
    return UPRNet(width=2)
