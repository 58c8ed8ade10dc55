"""The metrics against values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vsvfi.commands.evaluate import metrics

TRUTH = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
IMAGE = np.array([[[13, 20, 30], [40, 46, 60]]], np.uint8)  # differences 3 and -4 among six samples


def test_mean_squared_error_is_25_sixths() -> None:
    assert metrics.mean_squared_error(IMAGE, TRUTH) == pytest.approx(25 / 6)


def test_psnr_of_a_hand_computed_pair() -> None:
    assert metrics.psnr(IMAGE, TRUTH) == pytest.approx(41.932916, abs=1e-6)  # 10 log10(65025 * 6 / 25)
    assert metrics.psnr(IMAGE / 255, TRUTH / 255, peak=1.0) == pytest.approx(41.932916, abs=1e-6)


def test_psnr_of_equal_images_is_infinite() -> None:
    assert metrics.psnr(TRUTH, TRUTH) == math.inf


def test_unsigned_integers_do_not_wrap_around() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert metrics.psnr(black, white) == 0.0
    assert metrics.mean_absolute_error(black, white) == 255.0


def test_the_two_interpolation_errors_differ_as_defined() -> None:
    assert metrics.interpolation_error(IMAGE, TRUTH) == pytest.approx(2.0412415, abs=1e-6)  # sqrt(25 / 6)
    assert metrics.mean_absolute_error(IMAGE, TRUTH) == pytest.approx(7 / 6)


def test_ssim_of_constants_is_the_luminance_term() -> None:
    dark, light = np.full((16, 16), 100.0), np.full((16, 16), 120.0)
    c1 = (0.01 * 255) ** 2
    assert metrics.ssim(dark, light) == pytest.approx((2 * 100 * 120 + c1) / (100**2 + 120**2 + c1), abs=1e-9)


@pytest.mark.parametrize("shape", [(37, 45, 3), (11, 20), (64, 12, 1)])
def test_ssim_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    theirs = pytest.importorskip("skimage.metrics", reason="scikit-image is in vsvfi[dev]").structural_similarity
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 256, shape).astype(np.uint8)
    image = np.clip(truth + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)
    channels = -1 if len(shape) == 3 else None
    expected = theirs(
        image.astype(np.float64), truth.astype(np.float64), data_range=255, channel_axis=channels,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert metrics.ssim(image, truth) == pytest.approx(expected, abs=1e-12)


def test_ssim_against_the_definition_summed_at_one_pixel() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0, 255, (2, 11, 11))
    window = np.exp(-np.add.outer(np.arange(-5, 6) ** 2, np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    variances = (window * a * a).sum() - mean_a**2 + (window * b * b).sum() - mean_b**2
    covariance = (window * a * b).sum() - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))
    # The border that the window does not fit is left out: of 11 x 11 the one pixel in the middle is left.
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_colour_is_the_mean_of_the_channels() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.uniform(0, 255, (2, 20, 24, 3))
    assert metrics.ssim(a, b) == pytest.approx(np.mean([metrics.ssim(a[..., c], b[..., c]) for c in range(3)]))


def test_end_point_error_of_a_3_4_5_triangle() -> None:
    truth = np.zeros((1, 2, 2))
    flow = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    assert metrics.end_point_error(flow, truth) == pytest.approx(2.5)
    assert metrics.end_point_error(flow, truth, valid=np.array([[True, False]])) == pytest.approx(5.0)


def test_flow_psnr_normalises_by_the_scaler() -> None:
    truth = np.zeros((1, 1, 2))
    flow = np.array([[[1.0, -1.0]]])  # (1 / 10) / 2 = 0.05 off in each component: 10 log10(1 / 0.0025)
    assert metrics.flow_psnr(flow, truth, scaler=10.0) == pytest.approx(26.0206, abs=1e-4)


def test_flow_psnr_refuses_a_scaler_of_zero() -> None:
    with pytest.raises(ValueError, match="scaler must be positive, got 0"):
        metrics.flow_psnr(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), scaler=0.0)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.interpolation_error, metrics.end_point_error])
def test_shapes_must_agree(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match=r"should have the same shape, instead got \(16, 16, 2\) != \(16, 17, 2\)"):
        metric(np.zeros((16, 16, 2)), np.zeros((16, 17, 2)))


def test_ssim_refuses_images_below_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, got 12 x 10"):
        metrics.ssim(np.zeros((10, 12)), np.zeros((10, 12)))


def noise(seed: int, spread: float = 20.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(128, spread, (192, 224))


def test_sharpness_is_the_share_of_detail() -> None:
    assert metrics.sharpness(noise(1), noise(1)) == pytest.approx(1)
    assert metrics.sharpness((noise(1) + noise(2)) / 2, noise(3)) == pytest.approx(math.sqrt(0.5), abs=0.02)


def test_frames_that_are_blended_flicker() -> None:
    steady = [noise(n) for n in range(5)]
    pulsing = [steady[0], (steady[0] + steady[2]) / 2, steady[2], (steady[2] + steady[4]) / 2, steady[4]]
    assert metrics.flicker(steady, steady) == pytest.approx(1)
    assert metrics.flicker(pulsing, steady) > 2
    with pytest.raises(ValueError, match="three frames"):
        metrics.flicker(steady[:2], steady[:2])


def test_torn_blocks_are_counted_per_mille() -> None:
    calm = np.full((160, 160), 100.0)
    torn = calm.copy()
    torn[64:72, 64:72] += 60 * (np.indices((8, 8)).sum(0) % 2)
    assert metrics.tearing(calm, calm, calm, calm) == 0
    # The block itself, and the four beside it by their edge pixels.
    assert metrics.tearing(torn, calm, calm, calm) == pytest.approx(5 * 1000 / 400)
    assert metrics.tearing(torn, calm, torn, calm) == 0


def test_the_worst_place_is_found_wherever_it_lies() -> None:
    truth = np.zeros((200, 300, 3))
    image = truth.copy()
    image[100:196, 200:296] = 51
    assert metrics.worst_place_psnr(image, truth) == pytest.approx(20 * math.log10(5))
    assert metrics.worst_place_psnr(truth, truth) == math.inf
    assert metrics.worst_place_psnr(image[:50, :40], truth[:50, :40]) == math.inf
