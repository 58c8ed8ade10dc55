"""One segment's work: from the source, the plan and the settings to a finished file, in whatever process."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.commands.render.plan import Segment
from vsvfi.commands.workers.demands import Demands
from vsvfi.commands.workers.pool import Tell

if TYPE_CHECKING:
    from vsvfi.commands.clips import Clip
    from vsvfi.commands.render.ship import Part

__all__ = ["Film", "Task", "clip_of", "render_segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What all segments of a render have in common.

    ``opening`` and ``body`` are the script: the first makes the source's clip, the second the output's. ``encoder``
    are the options of ffmpeg that encode it, ``folder`` is where finished segments go. ``demands`` is what a machine
    must have. ``threads`` is how many VapourSynth and the encoder may use, None for their own choice.
    """

    opening: str
    body: str
    encoder: tuple[str, ...]
    folder: Path
    demands: Demands
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One segment of a film; with ``part`` of the source where the worker does not see the whole."""

    film: Film
    segment: Segment
    part: Part | None = None


@lru_cache(maxsize=1)
def clip_of(script: str) -> Clip:
    """The clip of a script, ready to be encoded; kept, with its model and caches, for the next segment."""
    from vsvfi.commands.render.script import evaluate, for_encoding

    return for_encoding(evaluate(script))


def render_segment(task: Task, tell: Tell) -> bytes | None:
    """Make the file of a segment in its folder, or give its content where a part of the source was sent.

    Returns:
        the content; nothing (``b""``) where the part does not hold the frames that it should.

    Raises:
        NodeRefusedError: this machine's frames could differ from those of the others.
        EncoderError: ffmpeg failed, or ended before the last frame.
    """
    film = task.film
    film.demands.check()
    if film.threads is not None:
        from vsvfi.commands.clips import core

        core.num_threads = film.threads
    if task.part is None:
        _encode(film, clip_of(film.opening + film.body), task.segment, film.folder, tell)
        return None
    return _render_part(task.part, film, task.segment, tell)


def _render_part(part: Part, film: Film, segment: Segment, tell: Tell) -> bytes:
    from vsvfi.commands.render.script import evaluate, for_encoding
    from vsvfi.commands.render.ship import PartDiffersError, whole_clip

    try:
        with tempfile.TemporaryDirectory() as folder, whole_clip(part) as clip:
            _encode(film, for_encoding(evaluate(film.body, clip)), segment, Path(folder), tell)
            return (Path(folder) / segment.file).read_bytes()
    except PartDiffersError:
        return b""


def _encode(film: Film, clip: Clip, segment: Segment, folder: Path, tell: Tell) -> None:
    from vsvfi.commands.render.encode import encode

    limit = () if film.threads is None else ("-threads", str(film.threads))
    encode(clip[segment.start : segment.end], folder / segment.file, [*film.encoder, *limit], tell)
