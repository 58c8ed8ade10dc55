"""From a prepared render to its finished segments: planned, sent out, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from vsvfi.commands.render import cuts, ship
from vsvfi.commands.render.job import Job
from vsvfi.commands.render.plan import Segment, longest_first, segments
from vsvfi.commands.render.progress import Shown
from vsvfi.commands.render.segment import Film, Task, render_segment
from vsvfi.commands.render.source import Source
from vsvfi.commands.render.state import Parts
from vsvfi.commands.workers.pool import Inline, Pool, run
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Production", "plan_at_once", "produce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """A render that can begin: its output has ``frames`` at ``fps``, in segments of usually so many ``seconds``."""

    job: Job
    source: Source
    film: Film
    fps: Fraction
    frames: int
    seconds: float
    ship: bool = False

    @property
    def threshold(self) -> float | None:
        """The scene detector's."""
        return self.job.filter.get("sc_threshold")

    def segments(self, is_cut: Callable[[int], bool]) -> Iterator[Segment]:
        """Where the output is cut."""
        return segments(self.begins, self.fps, self.frames, self.seconds, is_cut)

    @property
    def begins(self) -> list[Fraction]:
        """When source frames are shown in the output, in seconds."""
        return [self.job.slowness * begin for begin in self.source.begins]


def plan_at_once(production: Production, pool: Pool) -> list[Segment]:
    """All segments; the workers look for scene changes."""
    film = production.film

    def pack(piece: tuple[int, int]) -> cuts.Stretch:
        first, last = piece
        return cuts.Stretch(
            opening=film.opening,
            threshold=production.threshold,
            demands=film.demands,
            first=first,
            last=last,
            threads=pool.threads,
        )

    def name(piece: tuple[int, int]) -> str:
        return f"scenes of source frames {piece[0]}-{piece[1] - 1}"

    pieces = cuts.stretches(len(production.source.begins))
    found = {number for _, numbers in run(pool, cuts.find_cuts, pieces, pack=pack, name=name) for number in numbers}
    return list(production.segments(found.__contains__))


def produce(production: Production, pool: Pool, parts: Parts, display: Shown, console: Console) -> list[Segment]:
    """Make every segment that is missing, and give them all in order."""
    outgoing = _Outgoing(production, pool, parts, display, console)
    if isinstance(pool, Inline):
        planned: list[Segment] = []
        is_cut = cuts.cut_finder(production.film.opening, production.threshold)
        outgoing.make(parts.missing(_noted(production.segments(is_cut), planned)), outgoing.task)
        return planned
    if production.ship:
        return _produce_shipping(production, outgoing, parts)
    planned = plan_at_once(production, pool)
    outgoing.make(parts.missing(longest_first(planned)), outgoing.task)
    return planned


def _produce_shipping(production: Production, outgoing: _Outgoing, parts: Parts) -> list[Segment]:
    clip = cuts.marked(production.film.opening, production.threshold)
    examined = ship.examine(clip)
    planned = list(production.segments(examined.cuts.__contains__))
    source, path, begins = production.source, production.job.source, production.begins

    def with_packets(segment: Segment) -> Task:
        first, last = ship.needed(segment, begins, production.fps)
        content = ship.packets_part(path, source.begins, source.offset + source.skipped, first, last)
        return outgoing.task(segment, _part(content, examined, first, last))

    def with_frames(segment: Segment) -> Task:
        first, last = ship.needed(segment, begins, production.fps)
        return outgoing.task(segment, _part(ship.frames_part(clip, first, last), examined, first, last))

    def _part(content: bytes, found: ship.Examined, first: int, last: int) -> ship.Part:
        return ship.Part(
            content=content,
            first=first,
            frames=len(found.checksums),
            checksums=found.checksums[first:last],
            durations=found.durations,
            fps=(clip.fps.numerator, clip.fps.denominator) if clip.fps else (0, 1),
            props=found.props,
        )

    for pack in (with_packets, with_frames):
        outgoing.make(parts.missing(longest_first(planned)), pack)
    if left := list(parts.missing(planned)):
        raise VsvfiError(f"the source does not decode to the same frames on the workers: {left[0]}")
    return planned


class _Outgoing:
    """Segments on their way to the workers, and back into the folder."""

    def __init__(self, production: Production, pool: Pool, parts: Parts, display: Shown, console: Console) -> None:
        self._film = replace(production.film, threads=pool.threads)
        self._pool, self._parts, self._display, self._console = pool, parts, display, console
        self._sizes: dict[str, int] = {}

    def task(self, segment: Segment, part: ship.Part | None = None) -> Task:
        """What is sent for a segment."""
        return Task(film=self._film, segment=segment, part=part)

    def make(self, todo: Iterable[Segment], pack: Callable[[Segment], Task]) -> None:
        """Have segments made; one whose part of the source was of no use is left out."""
        answers = run(self._pool, render_segment, todo, pack=pack, name=self._named, tick=self._tick, say=self._say)
        for segment, content in answers:
            if content == b"":
                continue
            if content is not None:
                self._parts.keep(segment, content)
            self._display.finished(len(segment))

    def _named(self, segment: Segment) -> str:
        self._sizes[str(segment)] = len(segment)
        return str(segment)

    def _tick(self) -> None:
        progress = self._pool.progress().items()
        self._display.update({who: (name, count, self._sizes.get(name, 0)) for who, (name, count) in progress})

    def _say(self, text: str) -> None:
        from rich.markup import escape

        self._console.print(f"[yellow]{escape(text)}[/]", soft_wrap=True, highlight=False)


def _noted(planned: Iterator[Segment], into: list[Segment]) -> Iterator[Segment]:
    for segment in planned:
        into.append(segment)
        yield segment
