"""`vsvfi render`: a whole video through the filter, with its sound, subtitles, chapters and colour tags.

The picture is encoded in segments that end at scene changes, in a folder next to the output; when all are there,
they are joined with everything else of the source, and only the finished file gets the final name.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands import ffmpeg
from vsvfi.commands.render import cuts
from vsvfi.commands.render.encode import encoder_arguments
from vsvfi.commands.render.job import Encoding, Job
from vsvfi.commands.render.join import join
from vsvfi.commands.render.plan import Segment, longest_first, makespan
from vsvfi.commands.render.progress import clock, shown
from vsvfi.commands.render.script import body_of, opening_of
from vsvfi.commands.render.segment import Film, clip_of
from vsvfi.commands.render.source import Source, deinterlaced, inspect, part_of
from vsvfi.commands.render.state import STATE, Parts
from vsvfi.commands.render.work import Production, plan_at_once, produce
from vsvfi.commands.versions import digest_of_video, versions
from vsvfi.commands.workers.crew import Crew, pool_of
from vsvfi.commands.workers.demands import Demands
from vsvfi.commands.workers.pool import Inline
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console

    from vsvfi.commands.clips import Clip

__all__ = ["print_plan", "render", "script"]

SAMPLE_FRAMES, SAMPLE_SECONDS = 100, 5.0
"""Frames that a worker's speed is measured on, or as many as this time allows."""


def script(job: Job) -> str:
    """The script of a job: what `vsvfi render` itself evaluates."""
    source = _source_of(job)
    return opening_of(job, source) + body_of(job, source)


def _source_of(job: Job) -> Source:
    source = part_of(inspect(job.source), job.start, job.end)
    return deinterlaced(source) if job.deinterlace else source


def render(
    job: Job,
    out: Path,
    encoding: Encoding,
    crew: Crew = Crew(),  # noqa: B008
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
        crew: who does the work.
        resume: continue an unfinished render with the segments that are missing.
        overwrite: replace ``out``, and start an unfinished render over.
        console: where progress goes.

    Raises:
        VsvfiError: what cannot be done, or failed; nothing is left under the name of ``out``.
    """
    crew.check()
    _check(job, out, encoding, overwrite=overwrite)
    source = _source_of(job)
    parts = Parts(out)
    try:
        production = _prepare(job, source, encoding, crew, parts)
        identity = _identity(job, production.film, encoding)
        with parts.opened(identity, resume=resume, overwrite=overwrite):
            done = _make_segments(production, parts, crew, console)
            join(parts, done, job.source, source, production.fps, console, slow=job.slow)
            parts.clear()
    except OSError as error:
        raise VsvfiError(f"{error.filename or out}: {error.strerror or error}") from None
    finally:
        clip_of.cache_clear()
        cuts.forget()
    console.print(f"Written: {out}", soft_wrap=True, markup=False)


def _check(job: Job, out: Path, encoding: Encoding, *, overwrite: bool) -> None:
    if not out.resolve().parent.is_dir():
        raise VsvfiError(f"there is no folder {out.resolve().parent}; make it first")
    if out.exists() and not overwrite:
        raise VsvfiError(f"{out} is there already; replace it with --overwrite")
    if out.resolve() == job.source.resolve():
        raise VsvfiError("the output cannot be the source itself")
    program = ffmpeg.require()
    if not ffmpeg.has_encoder(program, encoding.encoder):
        raise VsvfiError(f"{program} has no encoder {encoding.encoder!r}; see: ffmpeg -encoders")


def _prepare(job: Job, source: Source, encoding: Encoding, crew: Crew, parts: Parts) -> Production:
    opening, body = opening_of(job, source), body_of(job, source)
    clip = clip_of(opening + body)
    folder = parts.folder.resolve()
    demands = Demands(
        model=job.model,
        weights=job.weights,
        versions=versions(job.model, job.weights),
        source=None if crew.ship else (job.source.resolve(), digest_of_video(job.source)),
        state=None if crew.ship else folder / STATE,
    )
    film = Film(
        opening=opening,
        body=body,
        encoder=tuple(encoder_arguments(encoding, clip)),
        folder=folder,
        demands=demands,
    )
    return Production(
        job=job,
        source=source,
        film=film,
        fps=Fraction(clip.fps),
        frames=len(clip),
        seconds=encoding.segment_seconds,
        ship=crew.ship,
    )


def _identity(job: Job, film: Film, encoding: Encoding) -> dict[str, Any]:
    """What finished segments must have in common with a render that continues with them; paths may differ."""
    settings = (film.opening + film.body).replace(repr(str(job.source.resolve())), "SOURCE")
    return {
        "source": digest_of_video(job.source),
        "settings": settings,
        "encoding": asdict(encoding),
        "versions": dict(film.demands.versions),
    }


def _make_segments(production: Production, parts: Parts, crew: Crew, console: Console) -> list[Segment]:
    """Make every segment that is missing, and give them all in order."""
    with shown(console, production.frames, sum(map(len, parts.finished()))) as display:
        try:
            pool = pool_of(
                crew,
                model=production.job.model,
                device=production.job.device,
                tell=lambda name, count: display.update({"": (name, count, count)}),
            )
            try:
                return produce(production, pool, parts, display, console)
            finally:
                pool.close()
        except KeyboardInterrupt:
            made = sum(map(len, parts.finished()))
            raise VsvfiError(f"interrupted at frame {made} of {production.frames}{_advice(parts)}") from None
        except VsvfiError as error:
            raise type(error)(f"{error}{_advice(parts)}") from None


def _advice(parts: Parts) -> str:
    return "; continue with --resume" if parts.finished() else ""


def print_plan(job: Job, encoding: Encoding, crew: Crew, console: Console) -> None:
    """Print how a video would be cut into segments, and how long workers would need for them.

    Raises:
        VsvfiError: the video cannot be rendered like this.
    """
    crew.check()
    source = _source_of(job)
    try:
        production = _prepare(job, source, encoding, crew, Parts(job.source))
        film = replace(production.film, demands=replace(production.film.demands, state=None))
        begun = time.monotonic()
        planned = plan_at_once(replace(production, film=film), Inline(lambda *_: None))
        planning = time.monotonic() - begun
        speed = _sampled_speed(clip_of(film.opening + film.body))
    finally:
        clip_of.cache_clear()
        cuts.forget()
    longest = max(planned, key=len)
    console.print(
        f"{len(planned)} segments of {production.frames} frames, the longest {longest} of {len(longest)}; "
        f"scene changes found in {planning:.1f} s",
        highlight=False,
    )
    console.print(f"one worker, measured without encoding: {speed:.1f} frames a second", highlight=False)
    costs = [len(segment) / speed for segment in longest_first(planned)]
    for workers in sorted({1, 2, 4, 8, 16, 64, crew.workers or 1}):
        needed = makespan(costs, workers)
        console.print(f"{workers:4} workers  {clock(needed)}  {sum(costs) / needed:.1f} times as fast", highlight=False)


def _sampled_speed(clip: Clip) -> float:
    """Frames a second from the middle of the clip, once the model is loaded."""
    middle = len(clip) // 2
    sample = clip[middle : middle + SAMPLE_FRAMES]
    frames = sample.frames(close=True)
    next(frames)
    begun, count = time.monotonic(), 0
    for _ in frames:
        count += 1
        if time.monotonic() - begun > SAMPLE_SECONDS:
            break
    return max(1, count) / max(1e-6, time.monotonic() - begun)
