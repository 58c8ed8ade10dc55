"""VapourSynth frames and native planes: the only module that reads pixels from frames. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError
from vsvfi.models.info import PlaneFrame

__all__ = [
    "Color",
    "check_finite",
    "crossfade",
    "new_frame",
    "number_of",
    "plane_frame",
    "read_color",
    "writable_planes",
]

_FAMILIES: dict[vs.ColorFamily, Literal["GRAY", "RGB", "YUV"]] = {vs.GRAY: "GRAY", vs.RGB: "RGB", vs.YUV: "YUV"}


@dataclass(frozen=True, slots=True)
class Color:
    """How a frame's samples are to be read: as its properties say, or as players guess."""

    matrix: int
    full_range: bool
    chroma_location: int


def number_of(props: Mapping[str, Any], name: str) -> int | None:
    """A frame property that is one whole number; None where it is not set.

    Raises:
        VsvfiError: it is set to something else.
    """
    value = props.get(name)
    if value is not None and not isinstance(value, int):
        raise VsvfiError(
            f"the frame property {name} must be one whole number, got {value!r}; set it with std.SetFrameProps, or "
            "remove it with std.RemoveFrameProps"
        )
    return value


def read_color(props: Mapping[str, Any], family: str, width: int, height: int) -> Color:
    """The colour description of a frame.

    Where properties are missing: RGB is full range, everything else limited; the matrix is BT.709 from 1280 wide or
    577 high on, else SMPTE 170M; chroma is sited left.

    Raises:
        VsvfiError: one of the properties is not a number.
    """
    if "_Range" in props:
        full = number_of(props, "_Range") == 1
    elif "_ColorRange" in props:  # the older property, inverted
        full = number_of(props, "_ColorRange") == 0
    else:
        full = family == "RGB"
    location = number_of(props, "_ChromaLocation")
    matrix = number_of(props, "_Matrix")
    if matrix in (None, vs.MATRIX_UNSPECIFIED) or (matrix == vs.MATRIX_RGB and family == "YUV"):
        matrix = vs.MATRIX_BT709 if width >= 1280 or height > 576 else vs.MATRIX_ST170_M
    return Color(int(matrix), full, int(vs.CHROMA_LEFT if location is None else location))


def plane_frame(frame: vs.VideoFrame) -> PlaneFrame:
    """The planes of a frame as arrays that share its memory and keep it alive."""
    form = frame.format
    family = _FAMILIES[form.color_family]
    return PlaneFrame(
        tuple(np.asarray(frame[plane]) for plane in range(form.num_planes)),
        family,
        form.bits_per_sample,
        (form.subsampling_w, form.subsampling_h),
        read_color(frame.props, family, frame.width, frame.height).full_range,
    )


def check_finite(frame: PlaneFrame, n: int) -> None:
    """Refuse a frame with samples that are no numbers.

    Raises:
        VsvfiError: a float plane of source frame ``n`` holds NaN or infinity.
    """
    if frame.is_float and not all(np.isfinite(plane).all() for plane in frame.planes):
        raise VsvfiError(f"source frame {n} holds NaN or infinity; repair the clip before, for example with std.Expr")


def new_frame(core: vs.Core, like: vs.VideoFrame, spatial_scale: int = 1) -> vs.VideoFrame:
    """An uninitialised frame of the format of ``like``, ``spatial_scale`` times its size."""
    return core.create_video_frame(like.format, like.width * spatial_scale, like.height * spatial_scale)


def writable_planes(frame: vs.VideoFrame) -> list[NDArray[Any]]:
    """The planes of a new frame, to be written into."""
    return [np.asarray(frame[plane]) for plane in range(frame.format.num_planes)]


def crossfade(first: PlaneFrame, second: PlaneFrame, weight: float, out: list[NDArray[Any]]) -> None:
    """Write (1 - weight) * first + weight * second, rounded to the nearest code value."""
    for a, b, target in zip(first.planes, second.planes, out, strict=True):
        mixed = a.astype(np.float32) * np.float32(1 - weight) + b.astype(np.float32) * np.float32(weight)
        target[...] = mixed if first.is_float else np.rint(mixed)
