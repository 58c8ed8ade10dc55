"""The parts of the loss, each the mean over a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.models import estimators
from vsvfi.models.recipe import Batch, Output
from vsvfi.models.settings import ConfigError
from vsvfi.models.weights import WeightsError
from vsvfi.nets.perceptual import load_lpips, load_vgg
from vsvfi.train.config import Loss

__all__ = ["Losses", "census", "charbonnier", "distillation", "laplacian", "smoothness"]

EPSILON = 1e-3
"""Of the Charbonnier loss, in units of frames in [0, 1]."""


def charbonnier(prediction: Tensor, target: Tensor, *, relative: bool = False) -> Tensor:
    """Mean of sqrt(difference ** 2 + 0.001 ** 2), or, ``relative``, the mean over the samples of its logarithm."""
    distance = torch.sqrt((prediction - target).square() + EPSILON**2)
    return distance.flatten(1).mean(1).log().mean() if relative else distance.mean()


def census(prediction: Tensor, target: Tensor, radius: int = 3) -> Tensor:
    """The soft Hamming distance of both frames' census transforms (Meister et al., AAAI 2018, section 3.2).

    Each pixel's luma (of 255) is compared with those within ``radius``; only pixels with all of them count.
    """
    first, second = (_census_transform(frame, radius) for frame in (prediction, target))
    square = (first - second).square()
    distance: Tensor = square / (0.1 + square)
    return distance.mean()


def _census_transform(frame: Tensor, radius: int) -> Tensor:
    luma = 255 * (frame * frame.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    side = 2 * radius + 1
    around = F.unfold(luma, side).unflatten(-1, (luma.shape[-2] - 2 * radius, luma.shape[-1] - 2 * radius))
    difference = around - luma[..., radius : luma.shape[-2] - radius, radius : luma.shape[-1] - radius]
    normalised: Tensor = difference / torch.sqrt(0.81 + difference.square())
    return normalised


def laplacian(prediction: Tensor, target: Tensor, levels: int = 5) -> Tensor:
    """L1 between both frames' Laplacian pyramids, level k weighed by 2 ** k (Niklaus and Liu, CVPR 2018)."""
    difference, total = prediction - target, prediction.new_zeros(())
    for level in range(levels - 1):
        coarser = _halved(difference)
        detail = difference - F.interpolate(coarser, difference.shape[-2:], mode="bilinear", align_corners=False)
        total = total + 2**level * detail.abs().mean()
        difference = coarser
    coarsest: Tensor = 2 ** (levels - 1) * difference.abs().mean()
    return total + coarsest


def _halved(frame: Tensor) -> Tensor:
    """Every second pixel of a frame smoothed by the binomial filter (1, 4, 6, 4, 1) / 16."""
    taps = frame.new_tensor((1, 4, 6, 4, 1)) / 16
    kernel = torch.outer(taps, taps).expand(frame.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(frame, (2, 2, 2, 2), mode="replicate"), kernel, stride=2, groups=frame.shape[1])


def smoothness(offsets: tuple[Tensor, ...]) -> Tensor:
    """Mean absolute difference of offsets ``(..., H, W)`` between neighbours, summed over the maps given."""
    total = offsets[0].new_zeros(())
    for maps in offsets:
        total = total + maps.diff(dim=-1).abs().mean() + maps.diff(dim=-2).abs().mean()
    return total


def distillation(flows: Sequence[tuple[Tensor, Tensor]], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Mean absolute difference of flows from a teacher's ``(N, 2, H, W)``, in pixels of full size.

    Smaller flows are resized and scaled; all levels count the same.
    """
    size = teacher[0].shape[-2:]
    parts = []
    for level in flows:
        for flow, wanted in zip(level, teacher, strict=True):
            scale = flow.new_tensor((size[1] / flow.shape[-1], size[0] / flow.shape[-2])).view(1, 2, 1, 1)
            whole = flow if flow.shape[-2:] == size else _resized(flow, size)
            parts.append((whole * scale - wanted).abs().mean())
    return torch.stack(parts).mean()


def _resized(maps: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def _like(target: Tensor, stage: Tensor) -> Tensor:
    """The target at the size of an earlier stage's frame."""
    return target if target.shape == stage.shape else F.interpolate(target, stage.shape[-2:], mode="area")


def _loaded[P](name: str, load: Callable[[P], nn.Module], paths: P) -> nn.Module:
    try:
        return load(paths)
    except WeightsError as error:
        raise ConfigError(f"{name}: {error}") from None


type Distance = Callable[[Tensor, Tensor], Tensor]


class Losses(nn.Module):
    """All parts but the adversarial one, by the weights in a configuration.

    Raises:
        ConfigError: a part's weights file is missing or not named, or its teacher is not known.
    """

    def __init__(self, config: Loss) -> None:
        super().__init__()
        self.config = config
        self.vgg: nn.Module | None = None
        self.lpips: nn.Module | None = None
        if config.vgg:
            if not config.vgg_weights:
                raise ConfigError("loss.vgg needs loss.vgg_weights: torchvision's vgg16, which you bring")
            self.vgg = _loaded("loss.vgg_weights", load_vgg, Path(config.vgg_weights))
        if config.lpips:
            if not config.lpips_weights:
                raise ConfigError(
                    "loss.lpips needs loss.lpips_weights: torchvision's alexnet or vgg16, and the linear weights"
                )
            self.lpips = _loaded("loss.lpips_weights", load_lpips, [Path(name) for name in config.lpips_weights])
        self.teacher = estimators.flow(config.teacher) if config.distillation else None

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The parts that count, weighed.

        Raises:
            ConfigError: the model does not give what a part compares.
        """
        config, frame, target = self.config, output.frame.float(), batch.target
        distances: list[tuple[str, float, Distance]] = [
            ("charbonnier", config.charbonnier, self._charbonnier),
            ("l1", config.l1, F.l1_loss),
            ("census", config.census, census),
            ("laplacian", config.laplacian, laplacian),
        ]
        if self.vgg is not None:
            distances.append(("vgg", config.vgg, self.vgg))
        if self.lpips is not None:
            distances.append(("lpips", config.lpips, self._lpips))
        parts = {name: weight * distance(frame, target) for name, weight, distance in distances if weight}
        if config.reconstruction and output.stages:
            parts["reconstruction"] = config.reconstruction * self._stages(output, target)
        if config.smoothness and output.offsets:
            parts["smoothness"] = config.smoothness * smoothness(output.offsets)
        if self.teacher is not None:
            if not output.flows:
                raise ConfigError("loss.distillation must be 0 for this model: it has no flows from the new frame")
            parts["distillation"] = config.distillation * distillation(output.flows, self._teachers(batch))
        return {**parts, **output.losses}

    def _charbonnier(self, frame: Tensor, target: Tensor) -> Tensor:
        return charbonnier(frame, target, relative=self.config.relative)

    def _lpips(self, frame: Tensor, target: Tensor) -> Tensor:
        assert self.lpips is not None
        distance: Tensor = self.lpips(frame, target)
        return distance.mean()

    def _stages(self, output: Output, target: Tensor) -> Tensor:
        """The Charbonnier loss of the frames of earlier stages, by their shares."""
        shares = output.shares or [1 / len(output.stages)] * len(output.stages)
        losses = [self._charbonnier(stage.float(), _like(target, stage)) for stage in output.stages]
        return torch.stack([share * loss for share, loss in zip(shares, losses, strict=True)]).sum()

    def _teachers(self, batch: Batch) -> tuple[Tensor, Tensor]:
        assert self.teacher is not None
        middle = batch.frames.shape[1] // 2
        before, after = batch.frames[:, middle - 1], batch.frames[:, middle]
        return self.teacher(batch.target, before), self.teacher(batch.target, after)
