"""Scene changes: which boundaries are cuts, and what a cut does to a window of frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vsvfi import scenes
from vsvfi.backend import PlaneFrame


def picture(seed: int, shift: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (12, 30))
    return np.kron(coarse, np.ones((16, 16)))[:, shift : shift + 320].astype(np.uint8)


def features(pictures) -> list[scenes.Features]:
    return [scenes.describe(PlaneFrame((np.ascontiguousarray(p),), "GRAY", 8, (0, 0), False)) for p in pictures]


def cuts(pictures) -> list[int]:
    found = features(pictures)
    return [
        n
        for n in range(1, len(found))
        if scenes.is_cut(found[max(0, n - scenes.BEFORE) : n], found[n : n + scenes.AFTER])
    ]


def test_a_cut_is_found_where_it_is():
    assert cuts([picture(1, n) for n in range(6)] + [picture(2, n) for n in range(6)]) == [6]


def test_a_still_and_a_slow_pan_have_no_cut():
    assert cuts([picture(1)] * 8) == []
    assert cuts([picture(1, 2 * n) for n in range(10)]) == []


def test_a_flash_is_not_a_cut():
    pictures = [picture(1, n) for n in range(10)]
    pictures[5] = np.full_like(pictures[5], 255)
    assert cuts(pictures) == []


@pytest.mark.parametrize(
    ("cut", "expected"),
    [(None, (4, 5, 6, 7)), (5, (5, 5, 6, 7)), (7, (4, 5, 6, 6)), (6, (4, 5, 6, 7))],
)
def test_windows_stay_within_their_scene(cut, expected):
    assert scenes.confine((4, 5, 6, 7), lambda n: n == cut) == expected


def test_what_is_shown_at_a_cut():
    assert [scenes.at_cut("hold", Fraction(n, 4)) for n in (1, 2, 3)] == [0, 0, 0]
    assert [scenes.at_cut("nearest", Fraction(n, 4)) for n in (1, 2, 3)] == [0, 1, 1]
    assert [scenes.at_cut("blend", Fraction(n, 4)) for n in (1, 2, 3)] == [Fraction(n, 4) for n in (1, 2, 3)]
