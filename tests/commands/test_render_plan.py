"""Where a render is cut, and how long workers need: arithmetic that holds for any film."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvfi.commands.render.plan import LONGEST, Segment, longest_first, makespan, segments
from vsvfi.commands.render.progress import clock, remaining_seconds
from vsvfi.commands.render.ship import REACH, needed

STEPS = st.lists(st.fractions(min_value=Fraction(1, 120), max_value=1), min_size=1, max_size=60)


@given(STEPS, st.integers(12, 120), st.sets(st.integers(1, 60)), st.floats(0.05, 5))
def test_segments_are_the_whole_film_in_order(steps: list[Fraction], rate: int, cuts: set[int], seconds: float) -> None:
    begins = [Fraction(0), *accumulate(steps)][:-1]
    frames = max(1, int((begins[-1] + steps[-1]) * rate))
    planned = list(segments(begins, Fraction(rate), frames, seconds, cuts.__contains__))
    assert planned[0].start == 0
    assert planned[-1].end == frames
    assert all(a.end == b.start for a, b in pairwise(planned))
    assert all(len(segment) > 0 for segment in planned)
    # No segment but one without a source frame to end at is much longer than six times what was asked for.
    slack = (LONGEST * Fraction(seconds) + 2 * max(steps)) * rate + 2
    assert all(len(segment) <= slack for segment in planned)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=50), st.integers(1, 60))
def test_workers_need_as_long_as_they_must_and_not_much_longer(costs: list[float], workers: int) -> None:
    costs = sorted(costs, reverse=True)
    least = max(costs[0], sum(costs) / workers)
    assert least - 1e-6 <= makespan(costs, workers) <= sum(costs) / workers + costs[0] + 1e-6


def test_the_longest_go_first() -> None:
    planned = [Segment(0, 10), Segment(10, 40), Segment(40, 50), Segment(50, 90)]
    assert longest_first(planned) == [Segment(50, 90), Segment(10, 40), Segment(0, 10), Segment(40, 50)]


def test_a_segment_needs_the_source_frames_around_it() -> None:
    begins = [Fraction(n, 24) for n in range(1000)]
    assert needed(Segment(960, 1440), begins, Fraction(48)) == (480 - REACH, 721 + REACH)
    assert needed(Segment(0, 48), begins, Fraction(48)) == (0, 25 + REACH)
    assert needed(Segment(1990, 2000), begins, Fraction(48)) == (995 - REACH, 1000)


@pytest.mark.parametrize(
    ("left", "in_hand", "expected"),
    [(100, {}, 10.0), (100, {"a": 5, "b": 5}, 10.0), (100, {"a": 90, "b": 5}, 18.0)],
)
def test_the_time_left_is_that_of_the_longest_segment(left: int, in_hand: dict[str, int], expected: float) -> None:
    assert remaining_seconds(left, 10.0, in_hand, max(1, len(in_hand))) == expected


def test_times_are_shown_as_clocks_show_them() -> None:
    assert clock(3725.4) == "1:02:05"
