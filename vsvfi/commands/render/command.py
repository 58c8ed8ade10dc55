"""`vsvfi render`: a whole video through the filter, with its sound, subtitles, chapters and colour tags.

The picture is encoded in segments that end at scene changes, in a folder beside the output; when all are there,
they are joined with everything else of the source, and only the finished file gets the final name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands import ffmpeg
from vsvfi.commands.render import cuts
from vsvfi.commands.render.crew import pool_of
from vsvfi.commands.render.encode import encoder_arguments
from vsvfi.commands.render.job import Crew, Encoding, Job
from vsvfi.commands.render.join import join
from vsvfi.commands.render.plan import Segment, longest_first, segments
from vsvfi.commands.render.progress import Shown, shown
from vsvfi.commands.render.script import opening_of, script_of
from vsvfi.commands.render.segment import Film, Task, clip_of, render_segment
from vsvfi.commands.render.source import Source, inspect
from vsvfi.commands.render.state import Parts
from vsvfi.commands.versions import digest_of_video, versions
from vsvfi.commands.workers.pool import Inline, Pool, run
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
        resume: go on with the segments that are missing of an unfinished render.
        overwrite: replace ``out``, and start an unfinished render anew.
        console: where progress goes.

    Raises:
        VsvfiError: what cannot be done, or failed; nothing is left under the name of ``out``.
    """
    crew.check()
    _check(job, out, encoding, overwrite=overwrite)
    source = inspect(job.source)
    parts = Parts(out)
    try:
        film, frames, fps = _prepare(job, source, encoding, parts)
        with parts.opened(_identity(job, film, encoding), resume=resume, overwrite=overwrite):
            plan = _Plan(job, source, fps, frames, encoding.segment_seconds)
            done = _render_all(plan, film, parts, crew, console)
            join(parts, done, job.source, fps, source.offset, console)
            parts.clear()
    finally:
        clip_of.cache_clear()
        cuts.forget()
    console.print(f"Written: {out}", soft_wrap=True)


def _check(job: Job, out: Path, encoding: Encoding, *, overwrite: bool) -> None:
    if out.suffix not in CONTAINERS:
        raise VsvfiError(f"the output must end in {', '.join(CONTAINERS)}, got {out.name!r}")
    if out.exists() and not overwrite:
        raise VsvfiError(f"{out} is there already; replace it with --overwrite")
    if out.resolve() == job.source.resolve():
        raise VsvfiError("the output cannot be the source itself")
    program = ffmpeg.require()
    if not ffmpeg.has_encoder(program, encoding.encoder):
        raise VsvfiError(f"{program} has no encoder {encoding.encoder!r}; see: ffmpeg -encoders")


def _prepare(job: Job, source: Source, encoding: Encoding, parts: Parts) -> tuple[Film, int, Fraction]:
    """What segments have in common, the output's length in frames, and its rate."""
    text = script_of(job, source)
    clip = clip_of(text, None)
    film = Film(
        script=text,
        encoder=tuple(encoder_arguments(encoding, clip)),
        folder=parts.folder.resolve(),
        source=job.source.resolve(),
        digest=digest_of_video(job.source),
        model=job.model,
        weights=job.weights,
        device=job.device,
        versions=versions(job.model, job.weights),
    )
    return film, len(clip), Fraction(clip.fps)


def _identity(job: Job, film: Film, encoding: Encoding) -> dict[str, Any]:
    """What finished segments must have in common with a render that takes them up; paths may differ."""
    settings = film.script.replace(repr(str(job.source.resolve())), "SOURCE")
    return {"source": film.digest, "settings": settings, "encoding": asdict(encoding), "versions": film.versions}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the segments of a render end."""

    job: Job
    source: Source
    fps: Fraction
    frames: int
    seconds: float

    def as_it_goes(self) -> Iterator[Segment]:
        """One segment after another, each planned when it is asked for."""
        is_cut = cuts.cut_finder(opening_of(self.job))
        return segments(self.source.begins, self.fps, self.frames, self.seconds, is_cut)

    def at_once(self, pool: Pool) -> list[Segment]:
        """All segments; the workers look for scene changes."""
        pieces = cuts.stretches(opening_of(self.job), len(self.source.begins), pool.threads)
        found = {number for _, numbers in run(pool, cuts.find_cuts, pieces) for number in numbers}
        return list(segments(self.source.begins, self.fps, self.frames, self.seconds, found.__contains__))


def _render_all(plan: _Plan, film: Film, parts: Parts, crew: Crew, console: Console) -> list[Segment]:
    """Make every segment that is missing, and give them all in order."""
    before = parts.finished()
    planned: list[Segment] = []
    with shown(console, plan.frames, sum(map(len, before))) as display:
        pool = pool_of(crew, film, lambda name, count: display.update({"": (name, count, count)}))
        try:
            if isinstance(pool, Inline):
                todo: Iterable[Segment] = _noted(plan.as_it_goes(), planned)
            else:
                planned = plan.at_once(pool)
                todo = longest_first(planned)
            _render_with(pool, parts.missing(todo), film, display, console)
        except KeyboardInterrupt:
            made = sum(map(len, parts.finished()))
            raise VsvfiError(f"interrupted at frame {made} of {plan.frames}{_advice(parts)}") from None
        except VsvfiError as error:
            raise type(error)(f"{error}{_advice(parts)}") from None
        finally:
            pool.close()
    return sorted(planned)


def _render_with(pool: Pool, todo: Iterable[Segment], film: Film, display: Shown, console: Console) -> None:
    sizes: dict[str, int] = {}

    def named(segment: Segment) -> str:
        sizes[str(segment)] = len(segment)
        return str(segment)

    def tick() -> None:
        display.update({who: (name, count, sizes.get(name, 0)) for who, (name, count) in pool.progress().items()})

    def say(text: str) -> None:
        console.print(f"[yellow]{text}[/]", soft_wrap=True, highlight=False)

    mine = replace(film, threads=pool.threads)
    answers = run(
        pool,
        render_segment,
        todo,
        pack=lambda segment: Task(film=mine, segment=segment),
        name=named,
        tick=tick,
        say=say,
    )
    for segment, _ in answers:
        display.finished(len(segment))


def _noted(planned: Iterator[Segment], into: list[Segment]) -> Iterator[Segment]:
    for segment in planned:
        into.append(segment)
        yield segment


def _advice(parts: Parts) -> str:
    return "; go on with --resume" if parts.finished() else ""
