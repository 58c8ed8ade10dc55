"""Clips that the tests draw, and models that they bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.commands.clips import Clip, core

type Draw = Callable[[int, list[NDArray[Any]]], None]


def drawn(
    draw: Draw,
    *,
    length: int,
    form: int = vs.GRAY8,
    size: tuple[int, int] = (64, 48),
    fps: Fraction = Fraction(25),
    props: Callable[[int], dict[str, Any]] = lambda n: {},
) -> Clip:
    """A clip whose frame n has the planes that ``draw(n, planes)`` writes and the properties ``props(n)``."""
    blank = core.std.BlankClip(
        width=size[0],
        height=size[1],
        format=form,
        length=length,
        fpsnum=fps.numerator,
        fpsden=fps.denominator,
        keep=True,
    )

    def make(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        draw(n, [np.asarray(frame[plane]) for plane in range(frame.format.num_planes)])
        for name, value in props(n).items():
            frame.props[name] = value
        return frame

    return core.std.ModifyFrame(blank, blank, make)


def noise(
    *, length: int, form: int = vs.GRAY8, size: tuple[int, int] = (64, 48), still: bool = False, **given: Any
) -> Clip:
    """Random pictures: the same one in every frame if ``still``."""

    def draw(n: int, planes: list[NDArray[Any]]) -> None:
        generator = np.random.default_rng(0 if still else n)
        bits = vs.core.get_video_format(form).bits_per_sample
        for plane in planes:
            plane[...] = (
                generator.random(plane.shape)
                if plane.dtype.kind == "f"
                else generator.integers(0, 1 << bits, plane.shape)
            )

    return drawn(draw, length=length, form=form, size=size, **given)


def ramp(*, length: int, form: int = vs.GRAY16, step: int = 512, **given: Any) -> Clip:
    """Flat pictures that get brighter by ``step`` code values a frame: a cross-fade at t is n + t steps bright."""

    def draw(n: int, planes: list[NDArray[Any]]) -> None:
        for plane in planes:
            plane[...] = n * step

    return drawn(draw, length=length, form=form, **given)


def without_rate(clip: Clip, durations: Sequence[Fraction]) -> Clip:
    """The clip with variable frame rate: frame n lasts ``durations[n]`` seconds."""
    info = {"width": clip.width, "height": clip.height, "format": clip.format.id, "length": clip.num_frames}
    blank = core.std.BlankClip(**info, fpsnum=0, fpsden=1)

    def stamp(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["_DurationNum"], frame.props["_DurationDen"] = durations[n].as_integer_ratio()
        return frame

    return core.std.ModifyFrame(blank, clip, stamp)


def planes(frame: vs.VideoFrame) -> list[NDArray[Any]]:
    """Copies of a frame's planes."""
    return [np.array(frame[plane]) for plane in range(frame.format.num_planes)]


def duration(frame: vs.VideoFrame) -> Fraction:
    """How long a frame is shown, in seconds."""
    numerator, denominator = (int(str(frame.props[f"_Duration{part}"])) for part in ("Num", "Den"))
    return Fraction(numerator, denominator)


@dataclass(frozen=True)
class Piped:
    """What a vspipe process did."""

    returncode: int
    output: bytes
    errors: str

    @property
    def last_error(self) -> str:
        """The line that tells a user what went wrong."""
        return next(line for line in reversed(self.errors.splitlines()) if "rror: " in line)
