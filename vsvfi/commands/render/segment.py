"""One segment's work: from the source, the plan and the settings to a finished file, in whatever process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.commands.render.plan import Segment
from vsvfi.commands.workers.pool import Tell

if TYPE_CHECKING:
    from vsvfi.commands.clips import Clip

__all__ = ["Film", "Task", "clip_of", "render_segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What all segments of a render have in common.

    ``script`` makes the clip, ``encoder`` are the options of ffmpeg that encode it, ``folder`` is where finished
    segments go. ``digest`` tells ``source`` from other videos, and ``versions`` this installation from others.
    ``threads`` is how many VapourSynth and the encoder may use, None for their own choice.
    """

    script: str
    encoder: tuple[str, ...]
    folder: Path
    source: Path
    digest: str
    model: str
    weights: tuple[str, ...]
    device: str
    versions: Mapping[str, str]
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One segment of a film."""

    film: Film
    segment: Segment


@lru_cache(maxsize=1)
def clip_of(script: str, threads: int | None) -> Clip:
    """The clip of a script, ready to be encoded; kept, with its model and caches, for the next segment."""
    from vsvfi.commands.clips import core
    from vsvfi.commands.render.script import evaluate, for_encoding

    if threads is not None:
        core.num_threads = threads
    return for_encoding(evaluate(script))


def render_segment(task: Task, tell: Tell) -> None:
    """Make the file of a segment.

    Raises:
        EncoderError: ffmpeg failed, or ended before the last frame.
    """
    from vsvfi.commands.render.encode import encode

    film, segment = task.film, task.segment
    clip = clip_of(film.script, film.threads)
    limit = () if film.threads is None else ("-threads", str(film.threads))
    encode(clip[segment.start : segment.end], film.folder / segment.file, [*film.encoder, *limit], tell)
