"""Regions that are not interpolated, and new frames that are mixed with source frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.engine.frames import new_frame, plane_frame, writable_planes
from vsvfi.errors import VsvfiError

__all__ = ["attach", "check_blend", "mixed"]

PROPERTY = "VsvfiMask"
"""The property of a source frame that holds its mask; the native node removes it."""

FEATHER = 4
"""Pixels over which a mask fades at its edges: a radius of a box blur, about the width of a subtitle's outline."""


def check_blend(value: float) -> float:
    """The strength of new frames as it is.

    Raises:
        VsvfiError: it is not from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise VsvfiError(f"blend must be from 0 to 1, got {value:g}")
    return value


def attach(clip: vs.VideoNode, mask: vs.VideoNode) -> vs.VideoNode:
    """The clip whose frames carry a feathered mask in 16 bits.

    Args:
        clip: of constant format and size.
        mask: of the same size; its first plane counts, white is left alone. A single frame serves the whole clip.

    Raises:
        VsvfiError: the mask has another size or length.
    """
    if mask.format is None or (mask.width, mask.height) != (clip.width, clip.height):
        raise VsvfiError(
            f"mask must have the size of the clip, {clip.width} x {clip.height}, got {mask.width} x {mask.height}"
        )
    if mask.num_frames not in (1, clip.num_frames):
        raise VsvfiError(f"mask must have 1 or {clip.num_frames} frames, got {mask.num_frames}")
    core: Any = vs.core
    grey: Any = core.std.ShufflePlanes(mask, 0, vs.GRAY)
    # Range and matrix of a mask mean nothing: its own lowest value is black, its highest white.
    grey = core.std.RemoveFrameProps(grey, ["_Matrix", "_Transfer", "_Primaries", "_Range", "_ColorRange"])
    full = {"range_in": vs.RANGE_FULL, "range": vs.RANGE_FULL}
    soft = core.std.BoxBlur(core.resize.Point(grey, format=vs.GRAY16, **full), hradius=FEATHER, vradius=FEATHER)
    if mask.num_frames == 1:
        soft = core.std.Loop(soft, clip.num_frames)
    attached: vs.VideoNode = core.std.ClipToProp(clip, soft, prop=PROPERTY)
    return attached


def _mask_of(frames: Sequence[vs.VideoFrame]) -> NDArray[np.float32] | None:
    """Where one of the frames is masked, (H, W) in [0, 1]; None where none has a mask."""
    masks = [np.asarray(frame.props[PROPERTY][0]) for frame in frames if PROPERTY in frame.props]  # type: ignore[index]
    if not masks:
        return None
    largest: NDArray[np.float32] = np.maximum.reduce(masks).astype(np.float32) / np.float32(65535)
    return largest


def mixed(
    core: vs.Core, made: vs.VideoFrame, pair: Sequence[vs.VideoFrame], t: Fraction, blend: float
) -> vs.VideoFrame:
    """The new frame where it is wanted, the nearer source frame elsewhere.

    Args:
        core: where the frame is created.
        made: the new frame.
        pair: the source frames before and after it.
        t: its place between them, in [0, 1).
        blend: how much of ``made`` is shown outside masks.
    """
    mask = _mask_of(pair)
    if mask is None and blend == 1:
        return made
    nearer = plane_frame(pair[0] if t <= Fraction(1, 2) else pair[1])
    frame = new_frame(core, pair[0])
    for source, new, out in zip(nearer.planes, plane_frame(made).planes, writable_planes(frame), strict=True):
        share = np.float32(blend) if mask is None else np.float32(blend) * (1 - _shrunk(mask, out.shape))
        value = (1 - share) * source.astype(np.float32) + share * new.astype(np.float32)
        out[...] = value if nearer.is_float else np.rint(value)
    return frame


def _shrunk(mask: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A mask at the size of a subsampled plane: the mean of the pixels that one sample covers."""
    height, width = shape
    blocks = mask.reshape(height, mask.shape[0] // height, width, mask.shape[1] // width)
    small: NDArray[np.float32] = blocks.mean((1, 3))
    return small
