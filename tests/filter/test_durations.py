"""Clips whose frames do not last as long as their rate says."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
import vapoursynth as vs
from clips import duration, ramp

from vsvfi.commands.clips import Clip, core

pytestmark = pytest.mark.usefixtures("models")

STEP = 512
MILLISECOND = Fraction(1, 1000)
VARYING = [Fraction(1, 10), Fraction(1, 50), Fraction(1, 50), Fraction(1, 50), Fraction(1, 10), Fraction(1, 50)]
"""0.28 s: as phones and screen recorders write them."""


def lasting(durations: Sequence[Fraction], fps: Fraction, *, last: bool = True) -> Clip:
    """A clip of a constant rate whose frames carry other durations; ``last``: the last one carries one."""
    clip = ramp(length=len(durations), step=STEP, fps=fps)

    def stamp(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for name in ("_DurationNum", "_DurationDen"):
            if name in frame.props:
                del frame.props[name]
        if last or n + 1 < len(durations):
            frame.props["_DurationNum"] = durations[n].numerator
            frame.props["_DurationDen"] = durations[n].denominator
        return frame

    return core.std.ModifyFrame(clip, clip, stamp)


def interpolate(clip: Clip, **arguments: Any) -> Clip:
    return core.vsvfi.Interpolate(clip, **{"model": "fade", "sc": 0, **arguments})


def shown(clip: Clip) -> list[float]:
    """Which source frame is shown, by the brightness of a ramp."""
    return [float(frame[0][0, 0]) / STEP for frame in clip.frames()]


def places(durations: Sequence[Fraction], fps: Fraction) -> list[float]:
    """Where output frames of a rate lie between source frames that last so long."""
    begins = [sum(durations[:n], Fraction(0)) for n in range(len(durations) + 1)]
    found, time = [], Fraction(0)
    while time < begins[-1]:
        source = max(n for n in range(len(durations)) if begins[n] <= time)
        inside = (time - begins[source]) / durations[source]
        found.append(float(source if source + 1 == len(durations) else source + inside))
        time += 1 / fps
    return found


@pytest.mark.parametrize(
    ("arguments", "rate"),
    [({"fps_num": 50}, Fraction(50)), ({"fps": "59.94"}, Fraction(60000, 1001)), ({"factor": 3}, Fraction(450, 7))],
)
def test_frames_are_placed_by_durations_that_contradict_the_rate(arguments: dict[str, Any], rate: Fraction) -> None:
    average = len(VARYING) / sum(VARYING, Fraction(0))
    result = interpolate(lasting(VARYING, average), **arguments)
    assert result.fps == rate
    assert shown(result) == pytest.approx(places(VARYING, rate), abs=2 / STEP)
    total = sum((duration(frame) for frame in result.frames()), Fraction(0))
    assert total == sum(VARYING)


def test_a_last_frame_without_a_duration_lasts_as_long_as_the_one_before() -> None:
    result = interpolate(lasting([*VARYING, Fraction(1)], Fraction(20), last=False), fps_num=50)
    assert shown(result) == pytest.approx(places([*VARYING, VARYING[-1]], Fraction(50)), abs=2 / STEP)


@pytest.mark.parametrize("given", [Fraction(24000, 1001), Fraction(30), Fraction(60)])
def test_times_in_milliseconds_are_no_variable_rate(given: Fraction) -> None:
    begins = [round(n / given / MILLISECOND) * MILLISECOND for n in range(31)]
    rounded = [after - before for before, after in pairwise(begins)]
    result = interpolate(lasting(rounded, given), factor=2)
    assert shown(result) == pytest.approx([min(n / 2, 29) for n in range(60)], abs=2 / STEP)


@pytest.mark.parametrize("step", [2, 5])
def test_every_second_frame_of_such_a_clip_is_none_either(step: int) -> None:
    begins = [round(n / Fraction(24) / MILLISECOND) * MILLISECOND for n in range(41)]
    clip = lasting([after - before for before, after in pairwise(begins)], Fraction(24))[::step]
    assert shown(interpolate(clip, factor=2)) == pytest.approx(
        [step * min(n / 2, len(clip) - 1) for n in range(2 * len(clip))], abs=2 * step / STEP
    )


def test_equal_durations_leave_the_rate_that_was_set() -> None:
    result = interpolate(lasting([Fraction(1, 50)] * 6, Fraction(25)), factor=2)
    assert shown(result) == pytest.approx([min(n / 2, 5) for n in range(12)], abs=2 / STEP)


def test_a_rate_that_begins_to_vary_later_is_an_error_that_says_what_to_add() -> None:
    later = [Fraction(1, 25)] * 6 + [Fraction(1, 5)] + [Fraction(1, 25)] * 4
    clip = lasting(later, Fraction(25))
    result = interpolate(clip, factor=2)
    assert shown(result[:11]) == pytest.approx([n / 2 for n in range(11)], abs=2 / STEP)
    with pytest.raises(
        vs.Error, match=r'frame 6 lasts 0\.2 s, .* 25 fps: its rate varies; add timing="durations" .*'
    ) as e:
        result.get_frame(13)
    assert "\n" not in str(e.value).strip()
    assert shown(interpolate(clip, factor=2, timing="rate")) == pytest.approx(
        [min(n / 2, 10) for n in range(22)], abs=2 / STEP
    )
    assert shown(interpolate(clip, factor=2, timing="durations")) == pytest.approx(
        places(later, Fraction(50)), abs=2 / STEP
    )
