"""`vsvfi render`: a whole video through the filter, with its sound, subtitles, chapters and color_tags.

The picture is encoded in segments that end at scene changes, in a folder beside the output; when all are there,
they are joined with everything else of the source, and only the finished file gets the final name.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import Clip
from vsvfi.commands.render.encode import encoder_arguments
from vsvfi.commands.render.job import Encoding, Job
from vsvfi.commands.render.join import join
from vsvfi.commands.render.plan import Segment, Segments
from vsvfi.commands.render.progress import shown
from vsvfi.commands.render.script import evaluate, for_encoding, script_of
from vsvfi.commands.render.segment import render_segment
from vsvfi.commands.render.source import inspect
from vsvfi.commands.render.state import Work
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["CONTAINERS", "render", "script"]

CONTAINERS = (".mkv", ".mp4", ".m4v", ".mov")


def script(job: Job) -> str:
    """The script that a job stands for: what `vsvfi render` itself evaluates."""
    return script_of(job, inspect(job.source))


def render(
    job: Job,
    out: Path,
    encoding: Encoding,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console,
) -> None:
    """Interpolate a whole video.

    Args:
        job: what to interpolate, and how.
        out: the file to write; its suffix is the container.
        encoding: how the picture is encoded.
        resume: go on after the last finished segment of an unfinished render.
        overwrite: replace ``out``, and start an unfinished render anew.
        console: where progress goes.

    Raises:
        VsvfiError: what cannot be done, or failed; nothing is left under the name of ``out``.
    """
    if out.suffix not in CONTAINERS:
        raise VsvfiError(f"the output must end in {', '.join(CONTAINERS)}, got {out.name!r}")
    if out.exists() and not overwrite:
        raise VsvfiError(f"{out} is there already; replace it with --overwrite")
    if out.resolve() == job.source.resolve():
        raise VsvfiError("the output cannot be the source itself")
    program = ffmpeg.require()
    if not ffmpeg.has_encoder(program, encoding.encoder):
        raise VsvfiError(f"{program} has no encoder {encoding.encoder!r}; see: ffmpeg -encoders")
    source = inspect(job.source)
    text = script_of(job, source)
    clip = for_encoding(evaluate(text))
    fps = Fraction(clip.fps)
    status = job.source.stat()
    identity = {"script": text, "size": status.st_size, "mtime": status.st_mtime, "encoding": asdict(encoding)}
    work = Work(out, identity)
    work.begin(resume=resume, overwrite=overwrite)
    out_is_whole = False
    segments = Segments(source, job.source, fps, len(clip), encoding.segment_seconds)
    try:
        _render_segments(work, clip, segments, encoding, console)
        join(work, job.source, out, fps, source.offset, console)
        out_is_whole = True
    except KeyboardInterrupt:
        raise VsvfiError(f"interrupted at frame {work.done} of {len(clip)}; go on with --resume") from None
    finally:
        if out_is_whole or not work.segments:
            shutil.rmtree(work.folder)
    console.print(f"Written: {out}", soft_wrap=True)


def _render_segments(work: Work, clip: Clip, segments: Segments, encoding: Encoding, console: Console) -> None:
    arguments = encoder_arguments(encoding, clip)
    with shown(len(clip), work.done, console) as progress:
        while work.done < len(clip):
            start = work.done
            segment = Segment(start, segments.end(start), f"{len(work.segments):05d}.nut")

            def advance(done: int, start: int = start) -> None:
                progress(start + done)

            render_segment(clip, segment, work.folder, arguments, advance)
            work.add(segment)
