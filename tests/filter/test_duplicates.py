"""Duplicate frames: recognised under compression noise, and bridged so that motion is even."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsvfi.filter import duplicates
from vsvfi.models.info import PlaneFrame


def features(picture: NDArray[Any]) -> duplicates.Features:
    plane = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return duplicates.describe(PlaneFrame((plane,), "GRAY", 8, (0, 0), False))


def picture(x: float = 0.0) -> NDArray[Any]:
    """A small disc at ``x`` on a textured ground."""
    rng = np.random.default_rng(5)
    ground = np.kron(rng.integers(60, 160, (15, 20)), np.ones((8, 8)))
    yy, xx = np.mgrid[0:120, 0:160]
    return np.where(np.hypot(xx - 40 - x, yy - 60) < 6, 230.0, ground)


@pytest.mark.parametrize("noise", [0.0, 2.0, 5.0])
def test_noise_hides_no_duplicate(noise: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        first, second = (features(picture() + rng.normal(0, noise, (120, 160))) for _ in range(2))
        assert duplicates.is_duplicate(first, second)


@pytest.mark.parametrize("step", [1.0, 2.0, 10.0])
def test_a_small_thing_that_moves_is_no_duplicate(step: float) -> None:
    assert not duplicates.is_duplicate(features(picture()), features(picture(step)))


def test_a_slow_pan_is_no_duplicate() -> None:
    ground = np.kron(np.random.default_rng(2).integers(20, 230, (15, 40)), np.ones((8, 8)))
    assert not duplicates.is_duplicate(features(ground[:, :160]), features(ground[:, 1:161]))


def gaps(shown: list[int], cuts: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """The gap after every frame but the last, for a clip whose frame n shows picture ``shown[n]``."""
    return [
        duplicates.true_gap(n, len(shown) - 1, lambda k: shown[k] == shown[k - 1], lambda k: k in cuts)
        for n in range(len(shown) - 1)
    ]


@pytest.mark.parametrize("hold", [1, 2, 3, 4])
def test_motion_on_ones_to_fours_is_even(hold: int) -> None:
    drawn = [n // hold * hold for n in range(24)]
    for n, (first, last) in enumerate(gaps(drawn)):
        if last < len(drawn) and n < 24 - hold:
            for t in (Fraction(0), Fraction(1, 4), Fraction(3, 4)):
                along = (n + t - first) / (last - first)
                assert drawn[first] + along * (drawn[last] - drawn[first]) == n + t


def test_a_dropped_frame_is_bridged() -> None:
    assert gaps([0, 1, 2, 2, 4, 5]) == [(0, 1), (1, 2), (2, 4), (2, 4), (4, 5)]


def test_a_still_shot_stays_still() -> None:
    assert gaps([0] * 12) == [(n, n + 1) for n in range(11)]
    # A picture that lasts longer than any drawn on fours, then motion: it does not begin to creep early.
    assert gaps([0] * 8 + [8, 9])[:8] == [(n, n + 1) for n in range(8)]


def test_nothing_is_bridged_across_a_cut_or_past_the_end() -> None:
    assert gaps([0, 0, 2, 2, 4], cuts=(2,)) == [(0, 1), (1, 2), (2, 4), (2, 4)]
    assert gaps([0, 1, 1]) == [(0, 1), (1, 2)]
