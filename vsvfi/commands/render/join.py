"""Putting finished segments together with everything else of the source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.commands import ffmpeg
from vsvfi.commands.render.plan import Segment
from vsvfi.commands.render.state import Parts

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["join"]

_TEXT_SUBTITLES = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")


def join(
    parts: Parts, done: Sequence[Segment], source: Path, fps: Fraction, offset: Fraction, console: Console
) -> None:
    """Put the segments together with the source's other streams; the final name appears last."""
    folder, out = parts.folder, parts.out
    listing = folder / "segments.txt"
    lines = ["ffconcat version 1.0"]
    for segment in done:
        lines += [f"file '{segment.file}'", f"duration {float(len(segment) / fps):.9f}"]
    listing.write_text("\n".join(lines) + "\n")
    partial = folder / f"joined{out.suffix}"
    command = ["-y", "-itsoffset", f"{float(offset):.9f}", "-f", "concat", "-safe", "0", "-i", str(listing)]
    command += ["-i", str(source), "-map", "0:v:0", "-map", "1:a?", *_others(source, out, console)]
    command += ["-map_metadata", "1", "-map_chapters", "1", "-c:v", "copy", "-c:a", "copy"]
    if out.suffix == ".mkv":
        # Sound that is not heard (the encoder's delay, what an edit list hides) lies before zero: Matroska has no
        # place for it, and ffmpeg would move the picture to make room.
        command += ["-bsf:a", r"noise=drop=lt(pts\,0)", "-avoid_negative_ts", "disabled"]
    else:
        command += ["-movflags", "+faststart", "-video_track_timescale", str(_timescale(fps))]
        if folder.joinpath(done[0].file).read_bytes()[:4096].find(b"HEVC") >= 0:
            command += ["-tag:v", "hvc1"]
    try:
        ffmpeg.run([*command, str(partial)], f"cannot put {out.name} together")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _timescale(fps: Fraction) -> int:
    """A time base in which frames last whole ticks and that is fine enough for the offset of the sound."""
    return fps.numerator * max(1, math.ceil(12_000 / fps.numerator))


def _others(source: Path, out: Path, console: Console) -> list[str]:
    """Subtitles and attachments, as far as the container holds them."""
    chosen: list[str] = []
    kept = 0
    for stream in ffmpeg.streams(source):
        if stream.kind == "Subtitle":
            if out.suffix == ".mkv":
                codec = "srt" if stream.codec == "mov_text" else "copy"
            elif stream.codec in _TEXT_SUBTITLES:
                codec = "mov_text"
            else:
                console.print(f"[yellow]{out.suffix} cannot hold the {stream.codec} subtitles; .mkv can[/]")
                continue
            chosen += ["-map", f"1:{stream.index}", f"-c:s:{kept}", codec]
            kept += 1
        elif stream.kind == "Attachment" and out.suffix == ".mkv":
            chosen += ["-map", f"1:{stream.index}"]
    return [*chosen, *(["-c:t", "copy"] if out.suffix == ".mkv" else [])]
