"""Encoding a clip with ffmpeg."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vsvfi.commands import color_tags, ffmpeg
from vsvfi.commands.clips import Clip
from vsvfi.commands.render.encoders import ENCODERS, Encoder
from vsvfi.commands.render.job import Encoding

__all__ = ["encode", "encoder_arguments"]


def encoder_arguments(encoding: Encoding, clip: Clip) -> list[str]:
    """The options of ffmpeg that encode this clip and tag it with its colours."""
    with clip.get_frame(0) as frame:
        props = dict(frame.props)
    known = ENCODERS.get(encoding.encoder, Encoder())
    arguments = ["-c:v", encoding.encoder, *known.always]
    if known.quality:
        arguments += [known.quality, str(encoding.crf)]
    if known.speed and encoding.preset:
        arguments += [known.speed, encoding.preset]
    hdr = color_tags.hdr_parameters(props)
    if hdr and encoding.encoder in ("libx264", "libx265"):
        is_265 = encoding.encoder == "libx265"
        names = ("master-display", "max-cll") if is_265 else ("mastering-display", "cll")
        pairs = [f"{name}={hdr[key]}" for name, key in zip(names, ("display", "light"), strict=True) if key in hdr]
        arguments += [f"-{encoding.encoder[3:]}-params", ":".join([*(["hdr10=1"] if is_265 else []), *pairs])]
    tags = color_tags.tagging_filter(props)
    subsampled = clip.format.subsampling_w or clip.format.subsampling_h
    flags = color_tags.encoder_flags(props, subsampled=bool(subsampled))
    # NUT keeps times exactly; Matroska keeps what the stream itself does not say of its colours.
    container = "nut" if known.keeps_colour else "matroska"
    chain = ["-vf", tags] if tags else []
    return [*chain, *arguments, *flags, *shlex.split(encoding.options), "-f", container]


def encode(clip: Clip, target: Path, arguments: Sequence[str], advance: Callable[[int], None]) -> None:
    """Encode a clip into a file, which gets its name when it is whole.

    ``arguments`` name encoder and container.

    Raises:
        EncoderError: ffmpeg failed, or ended before the last frame.
    """
    partial = target.with_name(f"{target.name}.{socket.gethostname()}-{os.getpid()}.part")
    command = [ffmpeg.require(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-f", "yuv4mpegpipe"]
    command += ["-i", "-", *arguments, str(partial)]
    with tempfile.TemporaryFile() as said:
        # In a group of its own: Ctrl-C is for this process, which ends the encoder.
        options: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"process_group": 0}
        options |= {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
        process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)
        assert process.stdin is not None
        broken: OSError | None = None
        try:
            with suppress(BrokenPipeError), process.stdin:
                try:
                    clip.output(process.stdin, y4m=True, progress_update=lambda done, _: advance(done))
                except OSError as error:  # the encoder has ended: its own message says more
                    broken = error
            process.wait()
        except BaseException:
            process.kill()
            process.wait()
            partial.unlink(missing_ok=True)
            raise
        said.seek(0)
        message = said.read().decode(errors="replace")
    if process.returncode != 0 or broken is not None:
        partial.unlink(missing_ok=True)
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit status {process.returncode}"
        reason = ffmpeg.last_words(message) if message.strip() else f"ended early ({how})"
        raise ffmpeg.EncoderError(f"the encoder failed: {reason}")
    partial.replace(target)
