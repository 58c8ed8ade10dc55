"""Clips from arrays and back, for the tools that measure and show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError

__all__ = ["Clip", "Frame", "clip_of_frames", "clip_of_images", "core", "image_of", "open_video"]

type Clip = Any
"""A `vapoursynth.VideoNode`: its published types know no plugins."""

type Frame = Any
"""A `vapoursynth.VideoFrame`."""

core: Any = vs.core
"""The core of the environment that uses it."""


def clip_of_images(
    load: Callable[[int], NDArray[np.uint8]],
    *,
    length: int,
    fps: Fraction,
    scene_starts: frozenset[int] = frozenset(),
) -> Clip:
    """A clip in RGB24 whose frame ``n`` is ``load(n)``, ``(H, W, 3)``, all of the first one's size.

    With ``scene_starts`` every frame says whether a scene begins or ends there, so that no detector has to guess.
    """
    height, width, _ = load(0).shape
    blank = core.std.BlankClip(
        format=vs.RGB24, width=width, height=height, length=length, fpsnum=fps.numerator, fpsden=fps.denominator
    )

    def fill(n: int, f: Frame) -> Frame:
        image = load(n)
        if image.shape != (height, width, 3):
            raise ValueError(f"image {n} should be {width} x {height}, instead got {image.shape[1]} x {image.shape[0]}")
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = image[..., plane]
        if scene_starts:
            frame.props["_SceneChangePrev"] = int(n in scene_starts)
            frame.props["_SceneChangeNext"] = int(n + 1 in scene_starts or n + 1 == length)
        return frame

    return core.std.ModifyFrame(blank, blank, fill)


def clip_of_frames(frames: Sequence[Frame], like: Clip) -> Clip:
    """A clip that shows frames that are already made, with the format and the rate of ``like``."""
    blank = like.std.BlankClip(length=len(frames), keep=True)
    return core.std.ModifyFrame(blank, blank, lambda n, f: frames[n])  # noqa: ARG005


def image_of(frame: Frame) -> NDArray[Any]:
    """A copy of a frame's planes, all of one size, as ``(H, W, planes)``."""
    return np.stack([np.asarray(plane) for plane in frame], axis=-1)


def open_video(path: Path) -> Clip:
    """The picture of a video file.

    Raises:
        VsvfiError: there is no such file, or BestSource, which reads it, is not there.
    """
    if not path.is_file():
        raise VsvfiError(f"there is no video {path}")
    if not hasattr(core, "bs"):
        raise VsvfiError("BestSource is needed to read videos: pip install vapoursynth-bestsource")
    return core.bs.VideoSource(str(path))
