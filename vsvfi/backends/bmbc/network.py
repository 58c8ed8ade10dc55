"""The networks of BMBC (arXiv 2007.12622): bilateral motion (section 3.1) and dynamic filter generation (3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import DENSE, conv, dilated_context, in_float32
from vsvfi.nets.geometry import resize_flow, resize_to
from vsvfi.nets.pwcnet.network import FLOW_UNIT, WIDTHS, Level, feature_pyramid, warp
from vsvfi.ops import bilateral_cost_volume

__all__ = ["BMBC", "BMNet", "DFNet", "Encoded", "Flows", "build", "create", "example"]

_RADII = {6: 6, 5: 4, 4: 4, 3: 2, 2: 2}
_TAPS = 5
_CANDIDATES = 6


def _warp(image: Tensor, flow: Tensor) -> Tensor:
    # The published weights were trained with sampling grids off by a fraction of a pixel.
    return warp(image, flow, inside=0.999, align_corners=False)


class BMNet(nn.Module):
    """The bilateral motion V at t: what is at p in the new frame was at ``p - 2tV`` and will be at ``p + 2(1-t)V``.

    A PWC-Net whose first level is at full size, and whose cost volumes follow motions through the new frame.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, dense: Sequence[int] = DENSE) -> None:
        super().__init__()
        self.pyramid = feature_pyramid(widths, first_stride=1)
        self.levels = nn.ModuleDict({"6": Level((2 * _RADII[6] + 1) ** 2, dense, last=False)})
        for level in (5, 4, 3, 2):
            # Besides the cost volume: both frames' warped features, and motion and features from the level below.
            in_channels = (2 * _RADII[level] + 1) ** 2 + 2 * widths[level - 1] + 4
            self.levels[str(level)] = Level(in_channels, dense, last=level == 2)
        finest = self.levels["2"]
        assert isinstance(finest, Level)
        self.context = dilated_context(finest.dense.out_channels, dense)

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The features of a frame ``(N, 3, H, W)`` at 1/2 to 1/32 of its size (levels 2 to 6)."""
        levels = []
        for stage in self.pyramid.values():
            frame = stage(frame)
            levels.append(frame)
        return tuple(levels[1:])

    def forward(self, first: tuple[Tensor, ...], second: tuple[Tensor, ...], t: float) -> Tensor:
        """V at ``t`` in [0, 1], ``(N, 2, H / 2, W / 2)`` in pixels of full size, from both frames' `features`."""
        coarsest = first[-1]
        motion = coarsest.new_zeros((len(coarsest), 2, *coarsest.shape[-2:]), dtype=torch.float32)
        below: list[Tensor] = []
        for level in (6, 5, 4, 3, 2):
            part = self.levels[str(level)]
            assert isinstance(part, Level)
            features0, features1 = first[level - 2], second[level - 2]
            if below:
                motion = below[0] * (FLOW_UNIT / 2 ** (level - 1))
                below = [_warp(features0, -2 * t * motion), _warp(features1, 2 * (1 - t) * motion), *below]
            cost = bilateral_cost_volume(features0, features1, motion, timestep=t, radius=_RADII[level])
            x = part.dense(torch.cat((F.leaky_relu(cost, 0.1), *below), 1))
            flow = in_float32(part.predict, x)
            if level > 2:
                below = [in_float32(part.upsample_flow, flow), part.upsample_features(x)]
        return FLOW_UNIT * (flow + in_float32(self.context[-1], self.context[:-1](x)))


class _ResidualDenseBlock(nn.Module):
    def __init__(self, channels: int = 32, growth: int = 16, depth: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv(channels + growth * index, growth) for index in range(depth))
        self.fusion = conv(channels + growth * depth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        dense = x
        for layer in self.layers:
            dense = torch.cat((dense, torch.relu(layer(dense))), 1)
        return x + self.fusion(dense)  # type: ignore[no-any-return]


class DFNet(nn.Module):
    """Dynamic blending filters by a residual dense network: 5 x 5 weights for each of six candidates a pixel."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.shallow1 = conv(in_channels, 32)
        self.shallow2 = conv(32, 32)
        self.blocks = nn.ModuleList(_ResidualDenseBlock() for _ in range(4))
        self.fusion = nn.Sequential(conv(128, 32, 1), conv(32, 32))
        self.head = conv(32, _CANDIDATES * _TAPS * _TAPS)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, 150, H, W)``, fp32: candidate by candidate, then row by row of the filter."""
        shallow = self.shallow1(x)
        deep, outputs = self.shallow2(shallow), []
        for block in self.blocks:
            deep = block(deep)
            outputs.append(deep)
        logits: Tensor = self.head(self.fusion(torch.cat(outputs, 1)) + shallow)
        return logits.float()


class Encoded(NamedTuple):
    """What depends on one frame: BMNet's features, and the frame with its context at full size."""

    features: tuple[Tensor, ...]
    frame: Tensor


class Flows(NamedTuple):
    """Flow from the first frame to the second, and back, ``(N, 2, H, W)``."""

    forward: Tensor
    backward: Tensor


class BMBC(nn.Module):
    """Frames are RGB in [0, 1], of any size.

    Args:
        widths: channels of the six levels of the feature pyramid.
        dense: channels of the five dense layers of each level.
        context: channels of a frame's context.
    """

    def __init__(self, *, widths: Sequence[int] = WIDTHS, dense: Sequence[int] = DENSE, context: int = 64) -> None:
        super().__init__()
        self.bmnet = BMNet(widths, dense)
        self.context = conv(3, context, 7, bias=False)
        self.dfnet = DFNet(_CANDIDATES * (3 + context) + 6)

    def encode(self, frame: Tensor) -> Encoded:
        """What depends on one frame ``(N, 3, H, W)``."""
        height, width = frame.shape[-2:]
        # Motion is estimated on frames resized, not padded, to multiples of 32.
        resized = resize_to(frame, (-(-height // 32) * 32, -(-width // 32) * 32))
        return Encoded(self.bmnet.features(resized), torch.cat((frame, torch.relu(self.context(frame))), 1))

    def motion(self, first: Encoded, second: Encoded, t: float) -> Tensor:
        """The bilateral motion at ``t`` at full size and in its pixels."""
        motion = self.bmnet(first.features, second.features, t)
        height, width = motion.shape[-2:]
        frame_height, frame_width = first.frame.shape[-2:]
        return resize_flow(resize_to(motion, (2 * height, 2 * width)), (frame_height, frame_width))

    def prepare(self, first: Encoded, second: Encoded) -> Flows:
        """Bilateral motion at either end is half of the flow from there."""
        return Flows(2 * self.motion(first, second, 0.0), -2 * self.motion(first, second, 1.0))

    def candidates(self, first: Encoded, second: Encoded, flows: Flows, motion: Tensor, t: float) -> list[Tensor]:
        """Both frames warped to ``t`` by either flow (section 3.2) and by the bilateral motion."""
        return [
            _warp(first.frame, -t * flows.forward),
            _warp(second.frame, (1 - t) * flows.forward),
            _warp(first.frame, t * flows.backward),
            _warp(second.frame, (t - 1) * flows.backward),
            _warp(first.frame, -2 * t * motion),
            _warp(second.frame, 2 * (1 - t) * motion),
        ]

    def logits(self, first: Encoded, second: Encoded, candidates: list[Tensor]) -> Tensor:
        """The blending filters for the candidates, before the softmax."""
        logits: Tensor = self.dfnet(torch.cat((first.frame[:, :3], *candidates, second.frame[:, :3]), 1))
        return logits

    def blend(self, candidates: list[Tensor], logits: Tensor) -> Tensor:
        """The new frame: every candidate filtered by its own 5 x 5 weights; all 150 of a pixel sum to one."""
        colours = torch.stack([candidate[:, :3] for candidate in candidates], 1).float()
        height, width = colours.shape[-2:]
        weights = torch.softmax(logits, 1).reshape(-1, _CANDIDATES, _TAPS * _TAPS, height, width)
        padded = F.pad(colours, [_TAPS // 2] * 4)
        blended = torch.zeros_like(colours[:, 0])
        for tap in range(_TAPS * _TAPS):
            row, column = divmod(tap, _TAPS)
            shifted = padded[..., row : row + height, column : column + width]
            blended = blended + (shifted * weights[:, :, tap, None]).sum(1)
        return blended

    def forward(self, frame0: Tensor, frame1: Tensor, t: float) -> Tensor:
        """The frame ``(N, 3, H, W)`` at ``t`` in (0, 1), not clamped."""
        first, second = self.encode(frame0), self.encode(frame1)
        return self.synthesize(first, second, self.prepare(first, second), t)

    def synthesize(self, first: Encoded, second: Encoded, flows: Flows, t: float) -> Tensor:
        """What of `forward` depends on ``t``."""
        candidates = self.candidates(first, second, flows, self.motion(first, second, t), t)
        return self.blend(candidates, self.logits(first, second, candidates))


def build(shapes: Shapes) -> BMBC:
    """The networks whose state dict has these shapes; the published ones when there are none."""

    def width(name: str, published: int) -> int:
        return shapes.get(name, (published,))[0]

    return BMBC(
        widths=[width(f"bmnet.pyramid.{level}.0.0.bias", w) for level, w in enumerate(WIDTHS, start=1)],
        dense=[width(f"bmnet.levels.6.dense.{layer}.0.bias", w) for layer, w in enumerate(DENSE)],
        context=width("context.weight", 64),
    )


def create(_name: str) -> BMBC:
    """The untrained network at its published size."""
    return BMBC()


def example(_name: str) -> BMBC:
    """A small untrained set of networks."""
    return BMBC(widths=(4, 4, 6, 6, 8, 8), dense=(8, 8, 6, 4, 4), context=4)
