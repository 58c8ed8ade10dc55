"""Encoders by their usual names, and the options for the quality and the speed of each."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from vsvfi.commands.render.job import Encoding
from vsvfi.errors import VsvfiError

__all__ = ["CONTAINERS", "ENCODERS", "Encoder", "encoding_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What ffmpeg calls the options for quality and speed, which values of quality there are, and what else to give.

    ``crf`` is the quality where none is asked for. ``keeps_colour`` is whether the stream itself says what its colours
    mean; where it does not, the container has to.
    """

    quality: str = ""
    crf: int = 17
    worst: int = 51
    preset: str = ""
    speed: str = ""
    always: tuple[str, ...] = ()
    keeps_colour: bool = True


_X26 = Encoder(quality="-crf", preset="medium", speed="-preset")
_NVENC = Encoder(quality="-cq", crf=19, preset="p5", speed="-preset", always=("-rc", "vbr", "-b:v", "0"))
_QSV = Encoder(quality="-global_quality", crf=19, preset="medium", speed="-preset")
_VAAPI = Encoder(quality="-qp", crf=19, always=("-rc_mode", "CQP"))
_AMF = Encoder(quality="-qp_p", crf=19, always=("-rc", "cqp"))

ENCODERS = {
    "libx264": _X26,
    "libx265": _X26,
    "libsvtav1": Encoder(quality="-crf", crf=24, worst=63, preset="6", speed="-preset"),
    "libaom-av1": Encoder(quality="-crf", crf=24, worst=63, preset="6", speed="-cpu-used"),
    "libvpx-vp9": Encoder(
        quality="-crf",
        crf=24,
        worst=63,
        preset="2",
        speed="-cpu-used",
        always=("-b:v", "0", "-row-mt", "1"),
        keeps_colour=False,
    ),
    "prores_ks": Encoder(always=("-profile:v", "3", "-vendor", "apl0", "-pix_fmt", "yuv422p10le")),
    "ffv1": Encoder(always=("-level", "3", "-slicecrc", "1"), keeps_colour=False),
    **{f"{codec}_nvenc": _NVENC for codec in ("h264", "hevc", "av1")},
    **{f"{codec}_qsv": _QSV for codec in ("h264", "hevc", "av1", "vp9")},
    **{f"{codec}_vaapi": _VAAPI for codec in ("h264", "hevc", "av1")},
    **{f"{codec}_amf": _AMF for codec in ("h264", "hevc", "av1")},
    **{f"{codec}_videotoolbox": Encoder(quality="-q:v", crf=65, worst=100) for codec in ("h264", "hevc")},
}

_NAMES = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
    "lossless": "ffv1",
}

CONTAINERS = {".mkv": "libx264", ".mp4": "libx264", ".m4v": "libx264", ".mov": "libx264", ".webm": "libvpx-vp9"}
"""The suffixes of outputs, each with the encoder that is used where none is named."""

_IN_WEBM = ("libvpx-vp9", "libvpx", "libsvtav1", "libaom-av1", "av1_nvenc", "av1_qsv", "av1_vaapi", "av1_amf")


def encoding_for(
    out: Path, *, encoder: str, crf: int | None, preset: str, options: str, segment_seconds: float
) -> Encoding:
    """How to encode an output.

    Raises:
        VsvfiError: what is out of its range, or does not fit the output.
    """
    if out.suffix not in CONTAINERS:
        raise VsvfiError(f"the output must end in {', '.join(CONTAINERS)}, got {out.name!r}")
    name = _NAMES.get(encoder, encoder) or CONTAINERS[out.suffix]
    if out.suffix == ".webm" and name not in _IN_WEBM:
        raise VsvfiError(f".webm holds VP9 and AV1, not {encoder}: use --encoder vp9 or av1, or write .mkv")
    known = ENCODERS.get(name, Encoder())
    if crf is not None and not known.quality:
        raise VsvfiError(f"{name} has no --crf; say its quality with --encoder-options")
    if crf is not None and not 0 <= crf <= known.worst:
        raise VsvfiError(f"--crf of {name} must be from 0 to {known.worst}, got {crf}")
    if not (math.isfinite(segment_seconds) and segment_seconds > 0):
        raise VsvfiError(f"--segment must be seconds above 0, got {segment_seconds:g}")
    try:
        shlex.split(options)
    except ValueError as error:
        raise VsvfiError(f"--encoder-options cannot be read: {error}; got {options!r}") from None
    return Encoding(
        encoder=name,
        crf=known.crf if crf is None else crf,
        preset=preset or known.preset,
        options=options,
        segment_seconds=segment_seconds,
    )
