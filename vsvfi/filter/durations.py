"""Whether a clip's frames last as long as its rate says: source filters give clips of varying rate an average one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.errors import VsvfiError

__all__ = ["agrees", "check_duration", "duration_of", "durations_to_place_by", "read_durations"]

ROUNDING = Fraction(1, 1000)
"""Seconds by which a duration may differ from 1/rate: Matroska rounds the times of frames to milliseconds."""

SHARE = Fraction(1, 10)
"""The same as a part of a frame's duration: ``clip[::5]`` makes that rounding five times as large. At 120 frames a
second, where 8.3 ms are written as 8 or 9, it is 8 %. A frame that is dropped or doubled changes a duration by half."""

PROGRESS = 5.0
"""Seconds between two messages while durations are read."""


def duration_of(props: Mapping[str, Any]) -> Fraction | None:
    """The duration in a frame's properties, in seconds; None where there is none."""
    num, den = props.get("_DurationNum"), props.get("_DurationDen")
    return Fraction(num, den) if isinstance(num, int) and isinstance(den, int) and den else None


def agrees(props: Mapping[str, Any], fps: Fraction) -> bool:
    """Whether a frame lasts as long as its clip's rate says, or has no usable duration."""
    duration = duration_of(props)
    # mpv answers requests while a script is evaluated with a black frame that lasts 0 s.
    return duration is None or duration <= 0 or fps == 0 or abs(duration - 1 / fps) <= max(ROUNDING, SHARE / fps)


def durations_to_place_by(clip: vs.VideoNode, timing: str) -> list[Fraction] | None:
    """The durations of all frames where they place them, in seconds; None where the clip's rate does.

    Args:
        clip: the source, of any rate; a rate of 0 leaves only the durations.
        timing: as of Interpolate. ``"auto"`` reads the first frame, and the others only where its duration
            contradicts the rate; durations that are all equal do not: the clip's rate was set on purpose.

    Raises:
        VsvfiError: durations are needed, and a frame has none or one that is not above 0.
    """
    if clip.fps == 0 or timing == "durations":
        return read_durations(clip)
    if timing == "rate":
        return None
    with clip.get_frame(0) as frame:
        if agrees(frame.props, clip.fps):
            return None
    durations = read_durations(clip)
    # The last one is a guess of most source filters: files do not hold it.
    inner = durations[:-1]
    return durations if inner and max(inner) - min(inner) > max(ROUNDING, SHARE * min(inner)) else None


def read_durations(clip: vs.VideoNode) -> list[Fraction]:
    """The duration of every frame in seconds. A last frame without one is given that of the frame before it.

    Raises:
        VsvfiError: another frame has none, or one that is not above 0.
    """
    durations: list[Fraction] = []
    reported = time.monotonic()
    for n, frame in enumerate(clip.frames(close=True)):
        if time.monotonic() - reported > PROGRESS:
            reported = time.monotonic()
            vs.core.log_message(
                vs.MESSAGE_TYPE_INFORMATION,
                f"vsvfi.Interpolate: reading the durations of frames: {n} of {clip.num_frames}",
            )
        duration = duration_of(frame.props)
        if duration is None and durations and n == clip.num_frames - 1:
            duration = durations[-1]
        if duration is None:
            raise VsvfiError(f"frame {n} of a variable-frame-rate clip has no _DurationNum and _DurationDen")
        if duration <= 0:
            raise VsvfiError(
                f"frame {n} lasts {frame.props['_DurationNum']}/{frame.props['_DurationDen']} s; "
                "a duration must be above 0"
            )
        durations.append(duration)
    return durations


def check_duration(props: Mapping[str, Any], n: int, fps: Fraction) -> None:
    """Refuse a frame of a clip of constant rate that does not last as long as that says.

    Raises:
        VsvfiError: frame ``n`` lasts longer or shorter than 1/fps by more than rounding explains.
    """
    duration = duration_of(props)
    if duration is not None and not agrees(props, fps):
        raise VsvfiError(
            f"frame {n} lasts {float(duration):.4g} s, but the clip has {float(fps):.6g} fps: its rate varies; "
            'add timing="durations" to place frames by their durations, or timing="rate" to trust the clip\'s rate'
        )
