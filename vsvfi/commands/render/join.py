"""Putting finished segments together with everything else of the source, as far as the container holds it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.commands import ffmpeg
from vsvfi.commands.render.plan import Segment
from vsvfi.commands.render.source import Source
from vsvfi.commands.render.state import Parts

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Others", "join", "others_of"]

_TEXT_SUBTITLES = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")

_SUBTITLES = {".mkv": "copy", ".webm": "webvtt", ".mp4": "mov_text", ".m4v": "mov_text", ".mov": "mov_text"}
"""What text subtitles become in a container."""

_AUDIO = {
    ".webm": ("opus", "vorbis"),
    ".mp4": ("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus", "dts", "mp2"),
    ".m4v": ("aac", "mp3", "ac3", "eac3", "alac"),
}
"""What sound a container holds as it is; the rest becomes Opus or AAC. Matroska and QuickTime hold everything usual."""


@dataclass(slots=True)
class Others:
    """What is taken from a source besides its picture: ffmpeg's options, and remarks on what is left out or changed.

    ``covers`` are pictures to be attached as files, as Matroska has them.
    """

    options: list[str] = field(default_factory=list)
    covers: list[ffmpeg.Stream] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def others_of(streams: Sequence[ffmpeg.Stream], suffix: str, *, slow: bool = False) -> Others:
    """What to take of a source's streams into a container.

    Args:
        streams: the source's.
        suffix: the container's.
        slow: whether the picture takes longer than the source's: what is bound to its times is left behind.
    """
    found = Others()
    counts = {"v": 1, "a": 0, "s": 0}
    pictures = 0
    for stream in streams:
        if stream.attached_picture:
            if suffix == ".webm":
                found.remarks.append(".webm cannot hold the attached picture; .mkv can")
            elif suffix == ".mkv":
                found.covers.append(stream)
            else:
                found.options += ["-map", f"1:{stream.index}", f"-c:v:{counts['v']}", "copy"]
                found.options += [f"-disposition:v:{counts['v']}", "attached_pic"]
                counts["v"] += 1
        elif stream.kind == "Video":
            pictures += 1
            if pictures > 1:
                found.remarks.append(f"only the first picture is rendered: stream {stream.index} is left behind")
        elif stream.kind in ("Audio", "Subtitle") and slow:
            found.remarks.append(f"slow motion leaves the {stream.codec} {_WORDS[stream.kind]} behind")
        elif stream.kind == "Audio":
            _add_audio(found, stream, suffix, counts)
        elif stream.kind == "Subtitle":
            _add_subtitles(found, stream, suffix, counts)
        elif stream.kind == "Attachment" and suffix == ".mkv":
            found.options += ["-map", f"1:{stream.index}", "-c:t", "copy"]
        else:
            found.remarks.append(
                f"{suffix} cannot hold the {_WORDS[stream.kind]} in stream {stream.index}, which is left behind"
            )
    return found


_WORDS = {"Audio": "sound", "Subtitle": "subtitles", "Attachment": "attachment", "Data": "data"}


def _add_audio(found: Others, stream: ffmpeg.Stream, suffix: str, counts: dict[str, int]) -> None:
    codec = "copy"
    if suffix in _AUDIO and stream.codec not in _AUDIO[suffix]:
        codec = "libopus" if suffix == ".webm" else "aac"
        found.remarks.append(f"{suffix} cannot hold {stream.codec} sound, which becomes {codec.removeprefix('lib')}")
    found.options += ["-map", f"1:{stream.index}", f"-c:a:{counts['a']}", codec]
    counts["a"] += 1


def _add_subtitles(found: Others, stream: ffmpeg.Stream, suffix: str, counts: dict[str, int]) -> None:
    if suffix != ".mkv" and stream.codec not in _TEXT_SUBTITLES:
        found.remarks.append(f"{suffix} cannot hold the {stream.codec} subtitles; .mkv can")
        return
    codec = "srt" if suffix == ".mkv" and stream.codec == "mov_text" else _SUBTITLES[suffix]
    found.options += ["-map", f"1:{stream.index}", f"-c:s:{counts['s']}", codec]
    counts["s"] += 1


def join(
    parts: Parts,
    done: Sequence[Segment],
    path: Path,
    source: Source,
    fps: Fraction,
    console: Console,
    *,
    slow: bool = False,
) -> None:
    """Put the segments together with the source's other streams; the final name appears last."""
    suffix = parts.out.suffix
    listing = parts.folder / "segments.txt"
    lines = ["ffconcat version 1.0"]
    for segment in done:
        lines += [f"file '{segment.file}'", f"duration {float(len(segment) / fps):.9f}"]
    listing.write_text("\n".join(lines) + "\n")
    streams = ffmpeg.streams(path)
    others = others_of(streams, suffix, slow=slow)
    for remark in others.remarks:
        console.print(remark, style="yellow", soft_wrap=True, highlight=False, markup=False)
    # The part's own beginning is where everything begins; of a whole source, what ffmpeg counts from.
    offset = source.offset if source.whole else Fraction(0)
    command = ["-y", "-itsoffset", f"{float(offset):.9f}", "-f", "concat", "-safe", "0", "-i", str(listing)]
    if not source.whole:
        command += ["-ss", f"{float(source.offset + source.skipped):.9f}", "-t", f"{float(source.seconds):.9f}"]
    command += ["-i", str(path.resolve()), "-map", "0:v:0", "-c:v:0", "copy", *others.options]
    attached = sum(stream.kind == "Attachment" for stream in streams)
    for number, cover in enumerate(others.covers):
        command += _attached(path, cover, parts.folder, attached + number)
    command += ["-map_metadata", "1", "-map_chapters", "-1" if slow else "1"]
    if suffix == ".mkv" or not source.whole:
        # Sound that is not heard (the encoder's delay, what an edit list hides, what lies before a cut) lies before
        # zero: Matroska has no place for it, and ffmpeg would move the picture to make room.
        command += ["-bsf:a", r"noise=drop=lt(pts\,0)", "-avoid_negative_ts", "disabled"]
    if suffix in (".mp4", ".m4v", ".mov"):
        command += ["-movflags", "+faststart", "-video_track_timescale", str(_timescale(fps))]
        if parts.folder.joinpath(done[0].file).read_bytes()[:4096].find(b"HEVC") >= 0:
            command += ["-tag:v:0", "hvc1"]
    partial = parts.folder.resolve() / f"joined{suffix}"
    try:
        ffmpeg.run([*command, str(partial)], f"cannot put {parts.out.name} together")
        partial.replace(parts.out)
    finally:
        partial.unlink(missing_ok=True)


def _attached(path: Path, cover: ffmpeg.Stream, folder: Path, number: int) -> list[str]:
    """Options that attach a source's picture as the output's attachment ``number``."""
    kind = "png" if cover.codec == "png" else "jpeg"
    file = folder / f"joined.cover{cover.index}.{kind}"
    ffmpeg.run(
        ["-y", "-i", str(path.resolve()), "-map", f"0:{cover.index}", "-c", "copy", "-f", "image2", str(file)],
        "cannot read the attached picture",
    )
    name = f"cover.{'jpg' if kind == 'jpeg' else kind}"
    tags = [f"-metadata:s:t:{number}", f"mimetype=image/{kind}", f"-metadata:s:t:{number}", f"filename={name}"]
    return ["-attach", str(file), *tags]


def _timescale(fps: Fraction) -> int:
    """A time base in which frames last whole ticks and that is fine enough for the offset of the sound."""
    return fps.numerator * max(1, math.ceil(12_000 / fps.numerator))
