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

__all__ = ["Footage", "FootageError", "open_footage"]

_THUMBNAIL = (64, 36)
CUT_THRESHOLD = 0.1
"""Mean absolute luma difference, of a frame's range, above which two frames are of different scenes."""
_SURPRISE = 3.0
STILL_THRESHOLD = 0.0015
"""Mean absolute luma difference below which two frames count as duplicates."""


class FootageError(VsvfiError):
    """Footage that cannot be used."""


@dataclass(frozen=True)
class Footage:
    """A decoded video. ``frames`` ``(F, H, W, 3)``, RGB, 8 bit, mapped from a file so that workers share it.

    ``change`` ``(F - 1,)`` is the mean absolute luma difference in [0, 1] between a frame and the next.
    """

    path: Path
    decoded: Path
    change: NDArray[np.float32]
    frames: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", np.load(self.decoded, mmap_mode="r"))

    def __reduce__(self) -> tuple[type[Footage], tuple[Path, Path, NDArray[np.float32]]]:
        # A mapped array would be sent to a worker as a copy.
        return type(self), (self.path, self.decoded, self.change)

    def cuts(self) -> NDArray[np.bool_]:
        """Whether there is a cut between a frame and the next ``(F - 1,)``: a large change that nothing led up to."""
        before = np.concatenate((self.change[:1], self.change[:-1]))
        after = np.concatenate((self.change[1:], self.change[-1:]))
        return (self.change > CUT_THRESHOLD) & (self.change > _SURPRISE * np.minimum(before, after))

    def windows(self, length: int) -> NDArray[np.int64]:
        """First frames of the windows of ``length`` frames without a cut and without a repeated frame."""
        bad = self.cuts() | (self.change < STILL_THRESHOLD)
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
    small = [cv2.cvtColor(cv2.resize(f, _THUMBNAIL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames]
    luma = np.stack(small) / np.float32(255)
    return Footage(path, decoded, np.abs(np.diff(luma, axis=0)).mean((1, 2), dtype=np.float32))
