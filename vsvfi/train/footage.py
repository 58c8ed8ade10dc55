"""Real footage as training windows: decoded once, cut at scene changes, static windows dropped."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError
from vsvfi.filter import scenes
from vsvfi.models.info import PlaneFrame

__all__ = ["Footage", "FootageError", "open_footage"]

_THUMBNAIL = (64, 36)
STILL_THRESHOLD = 0.0015
"""Mean absolute luma difference below which two frames count as duplicates."""


class FootageError(VsvfiError):
    """Footage that cannot be used."""


@dataclass(frozen=True)
class Footage:
    """A decoded video. ``frames`` ``(F, H, W, 3)``, RGB, 8 bit, mapped from a file so that workers share it.

    Between each frame and the next, ``cuts`` ``(F - 1,)`` tells whether there is one, and ``still`` ``(F - 1,)``
    whether next to nothing changes.
    """

    path: Path
    decoded: Path
    cuts: NDArray[np.bool_]
    still: NDArray[np.bool_]
    frames: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", np.load(self.decoded, mmap_mode="r"))

    def __reduce__(self) -> tuple[type[Footage], tuple[Path, Path, NDArray[np.bool_], NDArray[np.bool_]]]:
        # A mapped array would be sent to a worker as a copy.
        return type(self), (self.path, self.decoded, self.cuts, self.still)

    def windows(self, length: int) -> NDArray[np.int64]:
        """First frames of the windows of ``length`` frames without a cut and without a repeated frame."""
        bad = self.cuts | self.still
        total = np.concatenate(([0], np.cumsum(bad)))
        steps = length - 1
        count = len(self.frames) - steps
        if count <= 0:
            return np.empty(0, np.int64)
        return np.flatnonzero(total[steps : steps + count] - total[:count] == 0)


def _decode(path: Path, target: Path) -> None:
    capture = cv2.VideoCapture(str(path))
    frames: list[NDArray[np.uint8]] = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame[..., ::-1].astype(np.uint8))
    capture.release()
    if not frames:
        raise FootageError(f"{path} cannot be decoded: no frame could be read; is it a video file?")
    if len({frame.shape for frame in frames}) > 1:
        raise FootageError(f"{path} changes its frame size in the middle; cut it there first")
    partial = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        with partial.open("wb") as file:
            np.save(file, np.stack(frames))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def open_footage(path: Path, cache: Path) -> Footage:
    """Decode a video once into the folder ``cache`` and map it.

    Raises:
        FootageError: the file is missing or cannot be decoded.
    """
    if not path.is_file():
        raise FootageError(f"there is no footage {path}")
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    decoded = cache / f"{key}.npy"
    if not decoded.is_file():
        _decode(path, decoded)
    frames = np.load(decoded, mmap_mode="r")
    described = [scenes.describe(_planes(frame)) for frame in frames]
    cuts = [
        scenes.is_cut(described[max(0, n - scenes.BEFORE) : n], described[n : n + scenes.AFTER])
        for n in range(1, len(frames))
    ]
    small = [cv2.cvtColor(cv2.resize(f, _THUMBNAIL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames]
    change = np.abs(np.diff(np.stack(small) / np.float32(255), axis=0)).mean((1, 2), dtype=np.float32)
    return Footage(path, decoded, np.array(cuts, np.bool_), change < STILL_THRESHOLD)


def _planes(frame: NDArray[np.uint8]) -> PlaneFrame:
    planes = tuple(np.ascontiguousarray(frame[..., channel]) for channel in range(3))
    return PlaneFrame(planes=planes, family="RGB", bits=8, subsampling=(0, 0), full_range=True)
