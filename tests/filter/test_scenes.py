"""Scene changes: which boundaries are cuts, and what a cut does to a window of frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsvfi.filter import scenes
from vsvfi.models.info import PlaneFrame


def picture(seed: int, shift: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (12, 30))
    return np.kron(coarse, np.ones((16, 16)))[:, shift : shift + 320].astype(np.uint8)


def features(pictures: Iterable[NDArray[Any]]) -> list[scenes.Features]:
    return [
        scenes.describe(PlaneFrame((np.ascontiguousarray(p, np.uint8),), "GRAY", 8, (0, 0), False)) for p in pictures
    ]


def cuts(pictures: Iterable[NDArray[Any]]) -> list[int]:
    found = features(pictures)
    return [
        n
        for n in range(1, len(found))
        if scenes.is_cut(found[max(0, n - scenes.BEFORE) : n], found[n : n + scenes.AFTER])
    ]


def test_a_cut_is_found_where_it_is() -> None:
    assert cuts([picture(1, n) for n in range(6)] + [picture(2, n) for n in range(6)]) == [6]


def test_a_still_and_a_slow_pan_have_no_cut() -> None:
    assert cuts([picture(1)] * 8) == []
    assert cuts([picture(1, 2 * n) for n in range(10)]) == []


def test_a_flash_is_not_a_cut() -> None:
    pictures = [picture(1, n) for n in range(10)]
    pictures[5] = np.full_like(pictures[5], 255)
    assert cuts(pictures) == []


def test_a_change_of_light_is_not_a_cut() -> None:
    """A lamp goes on: everything is brighter at once, and stays so."""
    assert cuts([picture(1, n) * 0.5 for n in range(6)] + [picture(1, n) * 0.5 + 70 for n in range(6, 12)]) == []


@pytest.mark.parametrize("length", [5, 12])
def test_fades_are_not_cuts(length: int) -> None:
    weights = np.clip((np.arange(20) - 4) / length, 0, 1)
    assert cuts([picture(1, n) * w + 16 * (1 - w) for n, w in enumerate(weights)]) == []
    assert cuts([picture(1, n) * (1 - w) + 235 * w for n, w in enumerate(weights)]) == []
    assert cuts([picture(1, n) * (1 - w) + picture(2, n) * w for n, w in enumerate(weights)]) == []


def test_a_scene_out_of_black_is_a_cut() -> None:
    black = np.full((192, 320), 16, np.uint8)
    assert cuts([black] * 5 + [picture(1, n) for n in range(5)]) == [5]


def test_cuts_at_the_ends_of_a_clip() -> None:
    assert cuts([picture(1)] + [picture(2)] * 4) == [1]
    assert cuts([picture(1)] * 4 + [picture(2)]) == [4]


@pytest.mark.parametrize("shape", [(2, 2), (1, 3), (3, 500), (7, 9)])
def test_tiny_frames(shape: tuple[int, int]) -> None:
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    assert cuts([black] * 4 + [white] * 4) == [4]
    assert cuts([black] * 6) == []


@pytest.mark.parametrize("shape", [(8, 200_000), (200_000, 8)])
def test_sides_whose_blocks_need_more_than_32_bits(shape: tuple[int, int]) -> None:
    first, second = (np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8) for seed in (1, 2))
    assert cuts([first, second]) == [1]


def test_noise_alternation_and_nan_stay_bounded() -> None:
    rng = np.random.default_rng(0)
    for pictures in (
        [rng.integers(0, 256, (90, 160)).astype(np.uint8) for _ in range(6)],
        [np.full((90, 160), 255 * (n % 2), np.uint8) for n in range(6)],
    ):
        found = features(pictures)
        assert all(0 <= scenes.cut_score(found[:n], found[n : n + scenes.AFTER]) <= 1 for n in range(1, 6))
    broken = scenes.describe(PlaneFrame((np.full((90, 160), np.nan, np.float32),), "GRAY", 32, (0, 0), False))
    assert scenes.difference(broken, broken) == 0


@pytest.mark.parametrize(
    ("cut", "expected"),
    [(None, (4, 5, 6, 7)), (5, (5, 5, 6, 7)), (7, (4, 5, 6, 6)), (6, (4, 5, 6, 7))],
)
def test_windows_stay_within_their_scene(cut: int | None, expected: tuple[int, ...]) -> None:
    assert scenes.confine((4, 5, 6, 7), lambda n: n == cut) == expected
