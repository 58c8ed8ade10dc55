"""Sending workers the part of the source that a segment needs.

The packets are cut out as they are, from a key frame on, which costs a hundredth of sending pictures. Whether the
part decodes to the very frames of the whole is not left to chance: the planning pass keeps a checksum of every
frame, and the worker looks for theirs. Where it does not find them (streams without clean key frames), the frames
are sent losslessly encoded.
"""

from __future__ import annotations

import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsvfi.commands import ffmpeg
from vsvfi.commands.render.plan import Segment
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from vsvfi.commands.clips import Clip, Frame

__all__ = ["Examined", "Part", "PartDiffersError", "examine", "frames_part", "needed", "packets_part", "whole_clip"]

REACH = 32
"""Source frames on either side of a segment that its frames may depend on: windows, duplicates and the scene detector
together look 16 frames far at most."""

AFTER_SECONDS = 1
"""How long packets are taken beyond the last frame: times of packets and of frames differ."""


class PartDiffersError(VsvfiError):
    """A part of the source does not decode to the frames of the whole."""


@dataclass(slots=True)
class Examined:
    """What one pass over a source finds: scene changes, and for every frame a checksum and its duration."""

    cuts: set[int] = field(default_factory=set)
    checksums: list[int] = field(default_factory=list)
    durations: list[tuple[int, int]] = field(default_factory=list)
    props: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Source frames ``first`` ... of ``frames``: a file's ``content``, and what the worker needs to make of it."""

    content: bytes
    first: int
    frames: int
    checksums: Sequence[int]
    durations: Sequence[tuple[int, int]]
    fps: tuple[int, int]
    props: dict[str, Any]


_VARYING = ("_DurationNum", "_DurationDen", "_AbsoluteTime", "_PictType", "_SceneChangePrev", "_SceneChangeNext")


def _checksum(frame: Frame) -> int:
    value = 0
    for plane in frame:
        value = zlib.crc32(np.ascontiguousarray(plane), value)
    return value


def examine(marked: Clip) -> Examined:
    """Read all frames of a source whose scene changes are marked."""
    found = Examined()
    for number, frame in enumerate(marked.frames(close=True)):
        props = dict(frame.props)
        if number == 0:
            found.props = {name: value for name, value in props.items() if name not in _VARYING}
        if props.get("_SceneChangePrev", 0):
            found.cuts.add(number)
        found.checksums.append(_checksum(frame))
        found.durations.append((props.get("_DurationNum", 0), props.get("_DurationDen", 0)))
    return found


def needed(segment: Segment, begins: Sequence[Fraction], fps: Fraction) -> tuple[int, int]:
    """The source frames, the last not included, that the frames of a segment depend on."""
    first = bisect_right(begins, segment.start / fps) - 1
    last = bisect_right(begins, (segment.end - 1) / fps) + 1
    return max(0, first - REACH), min(len(begins), last + REACH)


def packets_part(source: Path, begins: Sequence[Fraction], offset: Fraction, first: int, last: int) -> bytes:
    """The packets of source frames ``first`` to ``last`` (not included) and some around them, as a Matroska file."""
    start = float(begins[first] + offset)
    length = float(begins[last - 1] - begins[first]) + AFTER_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.mkv"
        # A seek lands on the key frame before; in copies, -t counts from where it was to land.
        cut = ["-ss", f"{start:.6f}", "-i", str(source), "-t", f"{length:.6f}", "-map", "0:v:0", "-c", "copy"]
        ffmpeg.run([*cut, "-f", "matroska", str(path)], "cannot cut out a part of the source")
        return path.read_bytes()


def frames_part(clip: Clip, first: int, last: int) -> bytes:
    """Source frames ``first`` to ``last`` (not included), losslessly encoded."""
    from vsvfi.commands.render.encode import encode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.nut"
        encode(clip[first:last], path, ["-c:v", "ffv1", "-f", "nut"], lambda _: None)
        return path.read_bytes()


@contextmanager
def whole_clip(part: Part) -> Iterator[Clip]:
    """A clip as long as the source, of which only the part's frames are there.

    Raises:
        PartDiffersError: the file does not hold these very frames.
    """
    from vsvfi.commands.clips import core

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        path.write_bytes(part.content)
        clip = core.bs.VideoSource(str(path), cachemode=0)
        begin = _found([_checksum(frame) for frame in clip.frames(close=True)], part.checksums)
        there = clip[begin : begin + len(part.checksums)]
        after = part.frames - part.first - len(there)
        whole = there
        if part.first:
            whole = core.std.BlankClip(there, length=part.first) + whole
        if after:
            whole += core.std.BlankClip(there, length=after)
        num, den = part.fps
        if num:
            whole = core.std.AssumeFPS(whole, fpsnum=num, fpsden=den)

        def described(n: int, f: Frame) -> Frame:
            frame = f.copy()
            frame.props.update(part.props)
            num, den = part.durations[n]
            if num:
                frame.props.update(_DurationNum=num, _DurationDen=den)
            return frame

        yield core.std.ModifyFrame(whole, whole, described)


def _found(have: Sequence[int], wanted: Sequence[int]) -> int:
    for begin in range(len(have) - len(wanted) + 1):
        if list(have[begin : begin + len(wanted)]) == list(wanted):
            return begin
    raise PartDiffersError("this part of the source does not decode to the frames of the whole")
