"""How close an interpolated frame, or a flow, is to the truth.

Images are arrays ``(H, W, C)`` or ``(H, W)`` with values in [0, ``peak``]; 8-bit images may be given as they are.
Flows are ``(H, W, 2)`` in pixels, channel 0 = x. Everything is computed in float64, nothing is cropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = [
    "end_point_error",
    "flicker",
    "flow_psnr",
    "interpolation_error",
    "mean_absolute_error",
    "mean_squared_error",
    "psnr",
    "sharpness",
    "ssim",
    "tearing",
    "worst_place_psnr",
]

type Array = NDArray[Any]


def _difference(image: Array, truth: Array) -> NDArray[np.float64]:
    if image.shape != truth.shape:
        raise ValueError(f"image and truth should have the same shape, instead got {image.shape} != {truth.shape}")
    return image.astype(np.float64) - truth.astype(np.float64)


def mean_squared_error(image: Array, truth: Array) -> float:
    """The mean over all samples of the squared difference."""
    return float(np.mean(_difference(image, truth) ** 2))


def psnr(image: Array, truth: Array, *, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(peak^2 / MSE) over all channels; infinite for equal images."""
    error = mean_squared_error(image, truth)
    return math.inf if error == 0.0 else 10.0 * math.log10(peak**2 / error)


def interpolation_error(image: Array, truth: Array) -> float:
    """Interpolation error as Baker et al. (IJCV 2011, eq. 6) define it: the root of the mean squared difference.

    The benchmark's table at Middlebury is computed so. For what several papers' code reports under the same
    name, see `mean_absolute_error`.
    """
    return math.sqrt(mean_squared_error(image, truth))


def mean_absolute_error(image: Array, truth: Array) -> float:
    """Interpolation error as the code of MEMC-Net and DAIN computes it: the mean absolute difference."""
    return float(np.mean(np.abs(_difference(image, truth))))


def ssim(image: Array, truth: Array, *, peak: float = 255.0) -> float:
    """Structural similarity (Wang et al., TIP 2004), the mean over the channels.

    The settings of that paper: a Gaussian window of sigma 1.5 (11 x 11), K1 = 0.01, K2 = 0.03, and the population
    covariance; the border that the window does not fit is left out. The result is that of scikit-image's
    ``structural_similarity`` with ``gaussian_weights=True`` and ``use_sample_covariance=False``.

    Raises:
        ValueError: the shapes differ, or the image is smaller than the window.
    """
    if min(image.shape[:2]) < len(_WINDOW):
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, got {image.shape[1]} x {image.shape[0]}")
    _difference(image, truth)
    a, b = (np.atleast_3d(array).astype(np.float64) for array in (image, truth))
    return float(np.mean([_ssim_of_plane(a[..., k], b[..., k], peak) for k in range(a.shape[2])]))


_WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()


def _ssim_of_plane(a: Array, b: Array, peak: float) -> float:
    mean_a, mean_b = _blurred(a), _blurred(b)
    variances = _blurred(a * a) - mean_a**2 + _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similar = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(similar / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))))


def _blurred(plane: Array) -> Array:
    """The Gaussian mean around every pixel that the window fits."""
    for axis in (0, 1):
        size = plane.shape[axis] - len(_WINDOW) + 1
        parts = (weight * plane.take(range(k, k + size), axis) for k, weight in enumerate(_WINDOW))
        plane = sum(parts, np.zeros(1))
    return plane


def end_point_error(flow: Array, truth: Array, *, valid: NDArray[np.bool_] | None = None) -> float:
    """Mean Euclidean distance in pixels between the end points of two flows, over the ``valid`` pixels ``(H, W)``."""
    distance = np.hypot(*np.moveaxis(_difference(flow, truth), -1, 0))
    return float(distance.mean() if valid is None else distance[valid].mean())


def flow_psnr(flow: Array, truth: Array, *, scaler: float) -> float:
    """PSNR of a flow in dB as in the tables of GIMM (Guo et al., NeurIPS 2024).

    Both flows are normalised to [0, 1] by ``(flow / scaler + 1) / 2``; the ``scaler`` is the largest absolute
    component of the two flows between the end frames, in pixels.
    """
    if not scaler > 0.0:
        raise ValueError(f"scaler must be positive, got {scaler}")
    return psnr((flow / scaler + 1.0) / 2.0, (truth / scaler + 1.0) / 2.0, peak=1.0)


def sharpness(image: Array, truth: Array) -> float:
    """The mean absolute Laplacian of an image's luma as a share of the truth's: below 1 the image is softer."""
    return float(np.abs(_laplacian(image)).mean() / max(np.abs(_laplacian(truth)).mean(), 1e-12))


def flicker(frames: Sequence[Array], truth: Sequence[Array]) -> float:
    """How much fine texture changes from frame to frame, as a multiple of what it does in the true sequence.

    The high band's energy (the root mean square of the Laplacian of luma over 16 x 16 pixels) of each frame is compared
    with the mean of the frames before and after it. 1 is as steady as the truth.

    Raises:
        ValueError: there are less than three frames, or not as many of both.
    """
    if len(frames) < 3 or len(frames) != len(truth):
        raise ValueError(f"flicker needs three frames or more of both, got {len(frames)} and {len(truth)}")
    return _unrest(frames) / max(_unrest(truth), 1e-12)


def tearing(image: Array, truth: Array, first: Array, second: Array) -> float:
    """Per mille of 8 x 8 blocks of a new frame that are torn: far more detailed than anything nearby.

    A block is torn where its mean absolute Laplacian exceeds 1.25 times, and by more than 1 step of 255, the largest
    within two blocks in the true frame and in both source frames (8-bit images).
    """
    near = np.max([_largest_around(_block_means(np.abs(_laplacian(a)), 8), 2) for a in (truth, first, second)], 0)
    detail = _block_means(np.abs(_laplacian(image)), 8)
    return float(1000 * np.mean((detail > 1.25 * near) & (detail > near + 1)))


def worst_place_psnr(image: Array, truth: Array, *, side: int = 96, peak: float = 255.0) -> float:
    """PSNR in dB of the worst square of ``side`` x ``side`` pixels (of the whole image where it is smaller)."""
    error = np.atleast_3d(_difference(image, truth) ** 2).mean(2)
    height, width = (min(side, size) for size in error.shape)
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    squares = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    worst = float(squares.max()) / (height * width)
    return math.inf if worst <= 0.0 else 10.0 * math.log10(peak**2 / worst)


def _luma(image: Array) -> NDArray[np.float64]:
    image = image.astype(np.float64)
    return image if image.ndim == 2 else image @ np.array((0.299, 0.587, 0.114))


def _laplacian(image: Array) -> NDArray[np.float64]:
    """Of luma; the outermost pixels repeat over the border."""
    wide = np.pad(_luma(image), 1, mode="edge")
    around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return np.asarray(around - 4 * wide[1:-1, 1:-1])


def _block_means(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    height, width = (size // side for size in values.shape)
    return values[: height * side, : width * side].reshape(height, side, width, side).mean((1, 3))


def _largest_around(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    wide = np.pad(values, reach, mode="edge")
    return np.asarray(sliding_window_view(wide, (2 * reach + 1, 2 * reach + 1)).max((2, 3)))


def _unrest(frames: Sequence[Array]) -> float:
    energy = np.array([np.sqrt(_block_means(_laplacian(frame) ** 2, 16)) for frame in frames])
    return float(np.abs(energy[1:-1] - (energy[:-2] + energy[2:]) / 2).mean() / max(energy.mean(), 1e-12))
