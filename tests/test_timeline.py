"""Where output frames lie: exact, complete, and the same in Python and in the native node."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvfi.timeline import Placed, Timesteps, Uniform, as_factor

factors = st.builds(lambda num, den: Fraction(num, den), st.integers(2, 5000), st.integers(1, 1001)).filter(
    lambda factor: 1 < factor <= 64
)
durations = st.lists(st.builds(Fraction, st.integers(1, 5000), st.sampled_from([1000, 24000, 90000])), min_size=1)


@given(frames=st.integers(1, 500), factor=factors)
def test_uniform_frames_are_those_that_begin_before_the_end(frames: int, factor: Fraction) -> None:
    timeline = Uniform(frames, factor)
    last, beyond = timeline.place(len(timeline) - 1), timeline.place(len(timeline))
    assert last.source + last.t < frames <= beyond.source + beyond.t


@given(frames=st.integers(1, 200), factor=factors, n=st.integers(0, 10_000))
def test_uniform_places_are_exact(frames: int, factor: Fraction, n: int) -> None:
    place = Uniform(frames, factor).place(n)
    assert place.source + place.t == n / factor
    assert 0 <= place.t < 1


@given(frames=st.integers(2, 60), factor=factors)
def test_uniform_timesteps_after_a_frame_are_those_of_the_places(frames: int, factor: Fraction) -> None:
    timeline = Uniform(frames, factor)
    places = [timeline.place(n) for n in range(len(timeline))]
    for source in range(frames):
        expected = [place.t for place in places if place.source == source and place.t != 0]
        assert list(timeline.timesteps_after(source)) == expected


@given(frames=st.integers(1, 60), factor=factors)
def test_uniform_timesteps_are_complete(frames: int, factor: Fraction) -> None:
    timeline = Uniform(frames, factor)
    assert set(timeline.timesteps()) == {timeline.place(n).t for n in range(len(timeline))}


def test_frame_ten_million_is_as_exact_as_frame_one() -> None:
    timeline = Uniform(8_000_000, Fraction(5, 2))
    assert timeline.place(10_000_000) == timeline.place(0).__class__(4_000_000, Fraction(0))
    assert timeline.place(10_000_001).t == timeline.place(1).t == Fraction(2, 5)


@given(durations=durations, speed=st.builds(Fraction, st.integers(10, 80), st.just(10)))
def test_placed_durations_add_up_to_the_inputs(durations: list[Fraction], speed: Fraction) -> None:
    timeline = Placed(durations, speed * len(durations) / sum(durations))
    shown = [timeline.duration(n) for n in range(len(timeline))]
    assert sum(shown) == sum(durations)
    assert min(shown) > 0


@given(durations=durations, speed=st.builds(Fraction, st.integers(10, 80), st.just(10)))
def test_placed_frames_lie_where_their_time_falls(durations: list[Fraction], speed: Fraction) -> None:
    timeline = Placed(durations, speed * len(durations) / sum(durations))
    for n in range(len(timeline)):
        place = timeline.place(n)
        assert sum(durations[: place.source]) + place.t * durations[place.source] == n / timeline.fps
        assert 0 <= place.t < 1


def test_placed_timesteps_after_a_frame_are_those_of_the_places() -> None:
    timeline = Placed([Fraction(1001 * (1 + k % 2), 24000) for k in range(20)], Fraction(60000, 1001))
    places = [timeline.place(n) for n in range(len(timeline))]
    for source in range(20):
        expected = [place.t for place in places if place.source == source and place.t != 0]
        assert list(timeline.timesteps_after(source)) == expected


@given(durations=durations, speed=st.builds(Fraction, st.integers(10, 80), st.just(10)))
def test_placed_timesteps_are_complete(durations: list[Fraction], speed: Fraction) -> None:
    timeline = Placed(durations, speed * len(durations) / sum(durations))
    assert set(timeline.timesteps()) == {timeline.place(n).t for n in range(len(timeline))}


@given(first=st.integers(1, 9), step=st.integers(1, 9), unit=st.integers(1, 9), count=st.integers(0, 9))
def test_timesteps_are_a_sequence(first: int, step: int, unit: int, count: int) -> None:
    timesteps = Timesteps(first, step, unit, count)
    listed = [Fraction(first + k * step, unit) for k in range(count)]
    assert list(timesteps) == timesteps[:] == listed
    assert timesteps[1:4] == listed[1:4]
    assert [timesteps.index(t) for t in listed] == list(range(count))
    assert all(t in timesteps for t in listed)
    assert Fraction(first, unit) - 1 not in timesteps
    assert Fraction(first + count * step, unit) not in timesteps


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.5, Fraction(5, 2)), (2, Fraction(2)), (2.4, Fraction(12, 5)), (1 / 0.3, Fraction(10, 3))],
)
def test_a_float_factor_is_the_nearest_simple_rational(value: float, expected: Fraction) -> None:
    assert as_factor(value) == expected


@pytest.mark.parametrize("factor", [Fraction(1), Fraction(1, 2)])
def test_a_factor_of_one_or_less_is_refused(factor: Fraction) -> None:
    with pytest.raises(ValueError, match="factor must be greater than 1, got"):
        Uniform(10, factor)


def test_more_frames_than_a_clip_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        Uniform(2**30, Fraction(4))


def test_a_rate_below_the_clips_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be below the clip's average of 25 fps, got 24"):
        Placed([Fraction(1, 25)] * 10, Fraction(24))
