"""Where output frames lie in time: exact rational arithmetic, nothing else.

Positions are counted in source frames: a frame at position ``s + t`` lies between source frames ``s`` and
``s + 1`` at timestep ``t`` in [0, 1). ``vsvfi/native/timeline.c`` does the same arithmetic for every request.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import lcm
from typing import overload

from vsvfi.errors import VsvfiError

__all__ = ["MAX_TERM", "Place", "Placed", "Timeline", "Timesteps", "Uniform", "as_factor", "as_number", "as_rate"]

MAX_TERM = 2**31 - 1
"""Numerators and denominators above this do not fit the exact arithmetic of the native filter."""

MAX_FRAMES = 2**31 - 1
"""The longest clip that VapourSynth has."""

MAX_TIME = 2**62
"""Times in a unit that all of a clip's frames share stay below this, so that sums of two fit 64 bits."""

_NUMBER = re.compile("[0-9]{1,12}([.][0-9]{0,12}|/[0-9]{1,12})?")

BROKEN = "its timestamp may be broken: correct it, or give the clip a rate with std.AssumeFPS"


@dataclass(frozen=True, slots=True)
class Place:
    """An output frame: after source frame ``source`` by ``t`` in [0, 1) of the way to the next."""

    source: int
    t: Fraction


@dataclass(frozen=True, slots=True)
class Timesteps(Sequence[Fraction]):
    """The ``length`` timesteps ``(first + k * step) / unit``: computed when they are asked for."""

    first: int
    step: int
    unit: int
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, k: int) -> Fraction: ...
    @overload
    def __getitem__(self, k: slice) -> list[Fraction]: ...
    def __getitem__(self, k: int | slice) -> Fraction | list[Fraction]:
        if isinstance(k, slice):
            return [self._at(j) for j in range(self.length)[k]]
        return self._at(range(self.length)[k])

    def _at(self, k: int) -> Fraction:
        return Fraction(self.first + k * self.step, self.unit)

    def __contains__(self, t: object) -> bool:
        return isinstance(t, Fraction) and self._number(t) is not None

    def index(self, t: Fraction, start: int = 0, stop: int | None = None) -> int:
        """The number of a timestep."""
        number = self._number(t)
        if number is None or number not in range(self.length)[start:stop]:
            raise ValueError(f"{t} is not among the timesteps")
        return number

    def _number(self, t: Fraction) -> int | None:
        number = (t * self.unit - self.first) / self.step
        return int(number) if number.denominator == 1 and 0 <= number < self.length else None


def as_factor(value: float) -> Fraction:
    """The rational nearest to ``value`` with a denominator up to 1001 (so that 2.5 is 5/2, and 2.4 is 12/5).

    Raises:
        VsvfiError: that is 1.
    """
    factor = Fraction(value).limit_denominator(1001)
    if factor <= 1:
        raise VsvfiError(
            f"factor {value!r} is 1 when it is rounded to a denominator up to 1001; "
            "give it as factor_num and factor_den"
        )
    return factor


def as_number(text: str) -> Fraction | None:
    """What ``"2"``, ``"2.5"`` or ``"5/2"`` stand for; None for all else (an exponent could take all memory)."""
    try:
        return Fraction(text) if _NUMBER.fullmatch(text.strip()) else None
    except ZeroDivisionError:
        return None


def as_rate(name: str, text: str) -> Fraction:
    """A frame rate from what a user writes: ``"60"``, ``"59.94"`` or ``"60000/1001"``.

    A decimal within 0.005 of k * 1000/1001 means that rate of television: 23.976 is 24000/1001.

    Args:
        name: what the user calls it, for the message.
        text: the rate in frames a second.

    Raises:
        VsvfiError: it is no number above 0.
    """
    value = as_number(text)
    if not value or max(value.as_integer_ratio()) > MAX_TERM:
        raise VsvfiError(f"{name} must be a rate such as 60, 59.94 or 60000/1001, got {text!r}")
    television = Fraction(round(value * Fraction(1001, 1000)) * 1000, 1001)
    if "." in text and value.denominator != 1 and abs(value - television) < Fraction(1, 200):
        return television
    return value


@dataclass(frozen=True, slots=True)
class Uniform:
    """``factor`` output frames for every source frame, evenly spaced between source frames.

    On a clip of variable frame rate the output frames divide each source frame's own duration.

    Raises:
        VsvfiError: the factor is not above 1, has terms that are too large, or makes too many frames.
    """

    frames: int
    factor: Fraction

    def __post_init__(self) -> None:
        if self.factor <= 1:
            raise VsvfiError(f"factor must be greater than 1, got {self.factor}")
        if self.factor.numerator > MAX_TERM or self.factor.denominator > MAX_TERM:
            raise VsvfiError(f"factor {self.factor} has terms above {MAX_TERM}; round it")
        if self._length > MAX_FRAMES:
            raise VsvfiError(f"factor {self.factor} makes more than {MAX_FRAMES} frames")

    @property
    def _length(self) -> int:
        return -(-self.frames * self.factor.numerator // self.factor.denominator)

    def __len__(self) -> int:
        """The output frames that begin before the input's end."""
        return self._length

    def rate(self, fps: Fraction) -> Fraction:
        """The output's frame rate for a clip of ``fps``; 0 stands for a variable one."""
        return fps * self.factor

    def place(self, n: int) -> Place:
        """Where output frame ``n`` lies."""
        source, rest = divmod(n * self.factor.denominator, self.factor.numerator)
        return Place(source, Fraction(rest, self.factor.numerator))

    def timesteps(self) -> Iterator[Fraction]:
        """Every timestep that occurs, once."""
        for n in range(min(self.factor.numerator, self._length)):
            yield n / self.factor % 1

    def timesteps_after(self, source: int) -> Timesteps:
        """The timesteps strictly between source frame ``source`` and the next one, ascending."""
        num, den = self.factor.numerator, self.factor.denominator
        first = source * num // den + 1
        last = min(-(-(source + 1) * num // den), self._length)
        return Timesteps(first * den - source * num, den, num, max(0, last - first))

    def encoded(self) -> dict[str, int | bytes]:
        """What the native node reads (vsvfi/native/timeline.c)."""
        return {"outputs": self._length, "step_num": self.factor.numerator, "step_den": self.factor.denominator}


@dataclass(frozen=True)
class Placed:
    """Output frames at a constant rate over source frames that last ``durations`` (seconds, above 0).

    Raises:
        VsvfiError: the rate is below the clip's, or a frame's duration makes too many frames or terms that are too
            large; the message names that frame.
    """

    durations: Sequence[Fraction]
    fps: Fraction

    def __post_init__(self) -> None:
        if self.begins[-1] >= MAX_TIME:
            raise self._beyond_arithmetic(self._longest)
        average = Fraction(len(self.durations) * self.unit, self.begins[-1])
        if self.fps < average:
            raise VsvfiError(f"the target rate must not be below the clip's average of {average} fps, got {self.fps}")
        if self._length > MAX_FRAMES:
            n = self._longest
            raise VsvfiError(
                f"frame {n} lasts {self.durations[n]} s: that makes more than {MAX_FRAMES} frames at {self.fps} fps; "
                f"{BROKEN}"
            )

    @property
    def _longest(self) -> int:
        return max(range(len(self.durations)), key=self.durations.__getitem__)

    def _beyond_arithmetic(self, n: int) -> VsvfiError:
        return VsvfiError(
            f"frame {n} lasts {self.durations[n]} s: 64-bit fractions cannot place that exactly at {self.fps} fps; "
            f"{BROKEN}"
        )

    @cached_property
    def unit(self) -> int:
        """The parts of a second that all times are whole numbers of."""
        unit = self.fps.numerator
        for n, duration in enumerate(self.durations):
            if unit % duration.denominator:
                unit = lcm(unit, duration.denominator)
                if unit >= MAX_TIME:
                    raise self._beyond_arithmetic(n)
        return unit

    @cached_property
    def begins(self) -> list[int]:
        """When each source frame begins, and when the last one ends, in units."""
        unit = self.unit
        return [0, *accumulate(d.numerator * (unit // d.denominator) for d in self.durations)]

    @cached_property
    def step(self) -> int:
        """The units from one output frame to the next."""
        return self.unit // self.fps.numerator * self.fps.denominator

    @property
    def _length(self) -> int:
        return -(-self.begins[-1] // self.step)

    def __len__(self) -> int:
        """The output frames that begin before the input's end."""
        return self._length

    def rate(self, fps: Fraction) -> Fraction:  # noqa: ARG002
        """The output's frame rate, whatever the clip's."""
        return self.fps

    def place(self, n: int) -> Place:
        """Where output frame ``n`` lies."""
        time = n * self.step
        source = bisect_right(self.begins, time, hi=len(self.durations)) - 1
        begin, end = self.begins[source : source + 2]
        return Place(source, Fraction(time - begin, end - begin))

    def duration(self, n: int) -> Fraction:
        """How long output frame ``n`` is shown, in seconds: the last one ends with the input."""
        return Fraction(min((n + 1) * self.step, self.begins[-1]) - n * self.step, self.unit)

    def timesteps(self) -> Iterator[Fraction]:
        """Every timestep that occurs, some more than once."""
        for source in range(len(self.durations)):
            begin = self.begins[source]
            if begin % self.step == 0:
                yield Fraction(0)
            yield from self.timesteps_after(source)

    def timesteps_after(self, source: int) -> Timesteps:
        """The timesteps strictly between source frame ``source`` and the next one, ascending."""
        begin, end = self.begins[source : source + 2]
        first = begin // self.step + 1
        last = -(-end // self.step)
        return Timesteps(first * self.step - begin, self.step, end - begin, max(0, last - first))

    def encoded(self) -> dict[str, int | bytes]:
        """What the native node reads (vsvfi/native/timeline.c)."""
        return {
            "outputs": self._length,
            "step": self.step,
            "unit": self.unit,
            "begins": array("q", self.begins).tobytes(),
        }


type Timeline = Uniform | Placed
