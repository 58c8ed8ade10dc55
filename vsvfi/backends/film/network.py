"""FILM: Frame Interpolation for Large FILMState, ECCV 2022, arXiv 2202.04901. Level 0 of a pyramid is the full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import in_float32
from vsvfi.nets.geometry import resize_to
from vsvfi.ops import backward_warp

__all__ = ["FILM", "FILMState", "Frame", "build", "create", "example"]

LEVELS = 7
"""Levels at which motion is estimated."""
STAGES = 4
"""Stages of the feature extractor, and how many levels of the image pyramid meet in one level of features."""
FUSED = 5
"""Levels, from the finest on, that the new frame is made of."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame ``(N, 3, H, W)`` and its features, both at all levels, finest first."""

    images: tuple[Tensor, ...]
    features: tuple[Tensor, ...]

    def expand(self, count: int) -> Frame:
        """One frame, once for each of ``count`` timesteps."""
        return Frame(
            tuple(x.expand(count, -1, -1, -1) for x in self.images),
            tuple(x.expand(count, -1, -1, -1) for x in self.features),
        )


@dataclass(frozen=True, slots=True)
class FILMState:
    """Both frames, and the flows between them at all levels, each in pixels of its level, finest first, fp32."""

    frames: tuple[Frame, Frame]
    ahead: tuple[Tensor, ...]
    back: tuple[Tensor, ...]


class _Layer(nn.Sequential):
    """A convolution that keeps the size; LeakyReLU(0.2) unless ``linear``.

    A kernel of 2 sees its own pixel and those to the right and below, as TensorFlow's "same" padding has it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, linear: bool = False) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, kernel_size, padding=(kernel_size - 1) // 2))
        self.linear = linear
        self.extra = (kernel_size + 1) % 2

    def forward(self, x: Tensor) -> Tensor:
        if self.extra:
            x = functional.pad(x, (0, self.extra, 0, self.extra))
        x = self[0](x)
        return x if self.linear else functional.leaky_relu(x, 0.2)


def _predictor(features: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        _Layer(2 * features, width, 3),
        _Layer(width, width, 3),
        _Layer(width, width, 3),
        _Layer(width, width // 2, 1),
        _Layer(width // 2, 2, 1, linear=True),
    )


def _pool(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 2)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


class FILM(nn.Module):
    """The frame at any time between two frames.

    Args:
        width: channels of the first stage of the feature extractor; all others are in proportion.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        stages = [width * 2**stage for stage in range(STAGES)]
        self.features = nn.ModuleList(
            nn.Sequential(_Layer(before, after, 3), _Layer(after, after, 3))
            for before, after in zip((3, *stages), stages, strict=False)
        )
        # What a level of features has: those of the first stage on its own image, of the second on one finer ...
        channels = [sum(stages[: level + 1]) for level in range(STAGES)]
        self.shared_predictor = _predictor(channels[-1], 4 * width)
        # Coarse to fine, as in the published files.
        self.predictors = nn.ModuleList(
            _predictor(channels[level], width * 2**level // 2) for level in reversed(range(STAGES - 1))
        )
        aligned = [2 * (3 + channels[min(level, STAGES - 1)] + 2) for level in range(FUSED)]
        fused = [*stages, aligned[-1]]
        self.fusion = nn.ModuleList(
            nn.Sequential(
                _Layer(fused[level + 1], fused[level], 2, linear=True),
                _Layer(aligned[level] + fused[level], fused[level], 3),
                _Layer(fused[level], fused[level], 3),
            )
            for level in reversed(range(FUSED - 1))
        )
        self.output = nn.Conv2d(width, 3, 1)

    def encode(self, frame: Tensor) -> Frame:
        """The features of frames ``(N, 3, H, W)`` in [0, 1]; H and W are at least 64."""
        images = [frame]
        while len(images) < LEVELS:
            images.append(_pool(images[-1]))
        seen = [self._stages(image, LEVELS - level) for level, image in enumerate(images)]
        features = [
            torch.cat([seen[level - stage][stage] for stage in range(min(level + 1, STAGES))], 1)
            for level in range(LEVELS)
        ]
        return Frame(tuple(images), tuple(features))

    def _stages(self, image: Tensor, levels: int) -> list[Tensor]:
        """What the stages make of one image, as far as there are ``levels`` of their size."""
        results: list[Tensor] = []
        for stage in self.features[:levels]:
            results.append(stage(_pool(results[-1]) if results else image))
        return results

    def flows(self, first: Frame, second: Frame) -> tuple[Tensor, ...]:
        """The flows ``(N, 2, h, w)`` from ``first`` to ``second`` at all levels, finest first."""
        flow: Tensor | None = None
        flows: list[Tensor] = []
        for level in reversed(range(LEVELS)):
            near, far = first.features[level], second.features[level]
            if flow is not None:
                flow = 2 * resize_to(flow, _size(near))
                far = backward_warp(far, flow)
            residual = self._residual(level, torch.cat((near, far.to(near.dtype)), 1))
            flow = residual if flow is None else flow + residual
            flows.insert(0, flow)
        return tuple(flows)

    def _residual(self, level: int, features: Tensor) -> Tensor:
        fine = STAGES - 2 - level
        predictor = self.predictors[fine] if fine >= 0 else self.shared_predictor
        assert isinstance(predictor, nn.Sequential)
        return in_float32(predictor[-1], predictor[:-1](features))

    def prepare(self, first: Frame, second: Frame) -> FILMState:
        """What does not depend on the time: the flows both ways."""
        return FILMState((first, second), self.flows(first, second), self.flows(second, first))

    def synthesize(self, state: FILMState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps``: one for each of N pairs, or any number for one pair.

        They are not clamped.
        """
        time = timesteps.view(-1, 1, 1, 1)
        first, second = (frame.expand(len(time)) if len(frame.images[0]) == 1 else frame for frame in state.frames)
        x: Tensor | None = None
        for level in reversed(range(FUSED)):
            flows = (time * state.back[level], (1 - time) * state.ahead[level])
            aligned = self._align(level, (first, second), flows)
            x = aligned if x is None else self._fuse(level, x, aligned)
        result: Tensor = self.output(x)
        return result

    @staticmethod
    def _align(level: int, frames: Sequence[Frame], flows: tuple[Tensor, Tensor]) -> Tensor:
        """Both frames and their features of a level, seen at the new frame's time, and the flows there."""
        seen = [
            backward_warp(torch.cat((frame.images[level], frame.features[level].to(frame.images[level])), 1), flow)
            for frame, flow in zip(frames, flows, strict=True)
        ]
        return torch.cat((*seen, *flows), 1)

    def _fuse(self, level: int, coarser: Tensor, aligned: Tensor) -> Tensor:
        layers = self.fusion[FUSED - 2 - level]
        assert isinstance(layers, nn.Sequential)
        x = layers[0](functional.interpolate(coarser, _size(aligned), mode="nearest"))
        fused: Tensor = layers[1:](torch.cat((aligned.to(x.dtype), x), 1))
        return fused

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor) -> Tensor:
        """The frames at ``timesteps`` between ``(N, 3, H, W)`` in [0, 1]; see `synthesize`."""
        return self.synthesize(self.prepare(self.encode(frame0), self.encode(frame1)), timesteps)


def build(shapes: Shapes) -> FILM:
    """The network whose state dict has these shapes; the published one when there are none."""
    return FILM(width=shapes.get("features.0.0.0.bias", (64,))[0])


def create(_name: str) -> FILM:
    """The untrained network at its published size."""
    return FILM()


def example(_name: str) -> FILM:
    """A very small untrained network."""
    return FILM(width=4)
