"""What is measured on frames that a model makes of a benchmark's samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.commands.clips import Clip, clip_of_images, core, image_of
from vsvfi.commands.evaluate import metrics
from vsvfi.commands.evaluate.datasets import load_image, load_mask
from vsvfi.commands.evaluate.samples import Sample

if TYPE_CHECKING:
    from vsvfi.commands.evaluate.perceptual import Perceptual

__all__ = ["Row", "denominator", "made", "measure"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured on one frame; ``psnr`` in dB, errors in code values of 8 bit; NaN is what was not measured."""

    sample: str
    time: str
    psnr: float
    ssim: float
    rmse: float
    mae: float
    lpips: float = math.nan
    flolpips: float = math.nan


def _scored(image: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_] | None) -> tuple[float, ...]:
    if mask is None:
        inside = (image, truth)
        similarity = metrics.ssim(image, truth)
    else:
        # DVF's protocol: what lies outside the mask is taken from the truth, and only pixels inside are averaged.
        inside = (image[mask], truth[mask])
        similarity = metrics.ssim(np.where(mask[..., None], image, truth), truth)
    return (
        metrics.psnr(*inside),
        similarity,
        metrics.interpolation_error(*inside),
        metrics.mean_absolute_error(*inside),
    )


def denominator(sample: Sample) -> int:
    """The factor that reaches all of a sample's targets."""
    return math.lcm(*(time.denominator for time, _ in sample.targets))


def _batches(samples: Sequence[Sample]) -> Iterator[tuple[int, list[Sample]]]:
    """Runs of samples that fit one clip: one size, one number of source frames for each, one factor."""

    def key(sample: Sample) -> tuple[tuple[int, int], int, int]:
        height, width = load_image(sample.inputs[0]).shape[:2]
        return (width, height), len(sample.inputs), denominator(sample)

    for (_, _, factor), run in itertools.groupby(samples, key):
        yield factor, list(run)


def _clip(batch: Sequence[Sample], factor: int, options: Mapping[str, Any]) -> Clip:
    """The samples of a batch one after the other, interpolated, with a scene cut between them."""
    count = len(batch[0].inputs)
    paths = [(path, sample.transform) for sample in batch for path in sample.inputs]
    source = clip_of_images(
        lambda n: load_image(*paths[n]),
        length=len(paths),
        fps=Fraction(24),
        scene_starts=frozenset(range(0, len(paths), count)),
    )
    return core.vsvfi.Interpolate(source, factor=factor, **options)


def measure(
    samples: Sequence[Sample], options: Mapping[str, Any], perceptual: Perceptual | None = None
) -> Iterator[Row]:
    """Interpolate samples with ``options`` of `vsvfi.Interpolate`, and measure every target."""
    for factor, batch in _batches(samples):
        result = _clip(batch, factor, options)
        count = len(batch[0].inputs)
        for number, sample in enumerate(batch):
            mask = load_mask(sample.mask) if sample.mask is not None else None
            for time, path in sample.targets:
                with result.get_frame(int((number * count + time) * factor)) as frame:
                    image = image_of(frame)
                truth = load_image(path, sample.transform)
                scores = _scored(image, truth, mask)
                if perceptual is not None:
                    scores += perceptual(image, truth, load_image(sample.inputs[int(time)], sample.transform))
                yield Row(sample.name, str(time), *scores)


def made(sample: Sample, options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The frames of one sample, by their times."""
    factor = denominator(sample)
    result = _clip([sample], factor, options)
    frames = {}
    for time, _ in sample.targets:
        with result.get_frame(int(time * factor)) as frame:
            frames[str(time)] = image_of(frame)
    return frames
