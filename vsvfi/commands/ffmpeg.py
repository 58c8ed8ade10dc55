"""Finding and running ffmpeg."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsvfi.errors import VsvfiError

__all__ = [
    "EncoderError",
    "Stream",
    "find",
    "has_encoder",
    "last_words",
    "require",
    "run",
    "start_time",
    "streams",
]


class EncoderError(VsvfiError):
    """ffmpeg is not there, lacks what is asked for, or failed; the message is its own last word."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a file: ``kind`` is ``"Video"``, ``"Audio"``, ``"Subtitle"``, ``"Attachment"`` or ``"Data"``."""

    index: int
    kind: str
    codec: str
    attached_picture: bool = False


def find() -> str | None:
    """The ffmpeg to use: ``$VSVFI_FFMPEG``, else the one on the PATH, else imageio-ffmpeg's; None without any."""
    configured = os.environ.get("VSVFI_FFMPEG")
    if configured:
        return shutil.which(configured)
    on_path = shutil.which("ffmpeg")
    if on_path:
        return on_path
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def require() -> str:
    """The ffmpeg to use.

    Raises:
        EncoderError: there is none.
    """
    found = find()
    if found is None:
        configured = os.environ.get("VSVFI_FFMPEG")
        where = f"VSVFI_FFMPEG={configured} is not a program" if configured else "none is on the PATH"
        raise EncoderError(f"no encoder: ffmpeg is needed and {where}; install it, or: pip install imageio-ffmpeg")
    return found


def has_encoder(ffmpeg: str, name: str) -> bool:
    """Whether this ffmpeg was built with an encoder."""
    listed = subprocess.run(
        [ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return re.search(rf"^ [A-Z.]{{6}} {re.escape(name)}\s", listed.stdout, re.MULTILINE) is not None


def last_words(stderr: str) -> str:
    """The line of ffmpeg's error output that says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"No space|Permission|too large|Invalid|No such|Unknown|not ", line)]
    return re.sub(r"^\[[^]]*\]\s*", "", (telling or lines or ["no message"])[0])


def run(arguments: Sequence[str], what: str) -> str:
    """Run ffmpeg to its end, quietly.

    Returns:
        what it wrote to standard output.

    Raises:
        EncoderError: it failed; the message begins with ``what``.
    """
    done = subprocess.run(
        [require(), "-nostdin", "-hide_banner", "-loglevel", "error", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise EncoderError(f"{what}: ffmpeg failed: {last_words(done.stderr)}")
    return done.stdout


def _described(path: Path) -> str:
    done = subprocess.run(
        [require(), "-nostdin", "-hide_banner", "-i", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.stderr


def streams(path: Path) -> list[Stream]:
    """The streams of a file, in order."""
    pattern = re.compile(r"^\s*Stream #0:(\d+)\S*: (Video|Audio|Subtitle|Attachment|Data): (\w+)(.*)", re.MULTILINE)
    return [
        Stream(int(index), kind, codec, "(attached pic)" in rest)
        for index, kind, codec, rest in pattern.findall(_described(path))
    ]


def start_time(path: Path) -> Fraction:
    """The earliest timestamp of a file in seconds, from which ffmpeg counts when it copies streams."""
    start = re.search(r"Duration: [^,]+, start: (-?[\d.]+)", _described(path))
    return Fraction(start[1]) if start else Fraction(0)
