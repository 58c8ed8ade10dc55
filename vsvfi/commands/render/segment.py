"""One segment's work: from the source, the plan and the settings to a finished file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vsvfi.commands.clips import Clip
from vsvfi.commands.render.encode import encode
from vsvfi.commands.render.plan import Segment

__all__ = ["render_segment"]


def render_segment(
    clip: Clip, segment: Segment, folder: Path, arguments: list[str], advance: Callable[[int], None]
) -> None:
    """Encode the frames of a segment into its file, which gets its name when it is whole.

    Raises:
        EncoderError: ffmpeg failed, or ended before the last frame.
    """
    encode(clip[segment.start : segment.end], folder / segment.file, arguments, advance)
