"""What is measured on frames that a model makes of a benchmark's samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsvfi.commands.clips import clip_of_images, core, image_of
from vsvfi.commands.evaluate import metrics
from vsvfi.commands.evaluate.datasets import Sample, load_image, load_mask

__all__ = ["Row", "denominator", "measure"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured on one frame; ``psnr`` in dB, errors in code values of 8 bit."""

    sample: str
    time: str
    psnr: float
    ssim: float
    rmse: float
    mae: float


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
        with Image.open(sample.inputs[0]) as image:
            size = image.size
        return size, len(sample.inputs), denominator(sample)

    for (_, _, factor), run in itertools.groupby(samples, key):
        yield factor, list(run)


def measure(samples: Sequence[Sample], options: Mapping[str, Any]) -> Iterator[Row]:
    """Interpolate samples with ``options`` of `vsvfi.Interpolate`, and measure every target."""
    for factor, batch in _batches(samples):
        count = len(batch[0].inputs)
        paths = [(path, sample.transform) for sample in batch for path in sample.inputs]
        source = clip_of_images(
            lambda n, paths=paths: load_image(*paths[n]),  # type: ignore[misc]
            length=len(paths),
            fps=Fraction(24),
            scene_starts=frozenset(range(0, len(paths), count)),
        )
        result = core.vsvfi.Interpolate(source, factor=factor, **options)
        for number, sample in enumerate(batch):
            mask = load_mask(sample.mask) if sample.mask is not None else None
            for time, path in sample.targets:
                with result.get_frame(int((number * count + time) * factor)) as frame:
                    image = image_of(frame)
                truth = load_image(path, sample.transform)
                yield Row(sample.name, str(time), *_scored(image, truth, mask))
