"""Real footage: decoded once, cut at scene changes, without windows in which nothing happens."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vsvfi.train.footage import FootageError, open_footage


def write(path: Path, pictures: list[np.ndarray]) -> Path:
    """A video of pictures ``(H, W, 3)``, RGB."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (width, height))
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


def shot(seed: int, length: int, *, still: tuple[int, ...] = ()) -> list[np.ndarray]:
    """A pan over a smooth picture that stops for the frames ``still``."""
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.integers(0, 255, (6, 16, 3)).astype(np.uint8), (320, 72), interpolation=cv2.INTER_CUBIC)
    places = np.cumsum([0] + [0 if i in still else 4 for i in range(1, length)])
    return [wide[:, x : x + 96] for x in places]


def test_windows_avoid_cuts_and_repeated_frames(tmp_path: Path) -> None:
    """Two shots of 10 and 12 frames, frame 5 of the second repeats the one before."""
    footage = open_footage(write(tmp_path / "a.avi", shot(1, 10) + shot(2, 12, still=(5,))), tmp_path / "cache")
    assert footage.frames.shape == (22, 72, 96, 3)
    assert np.flatnonzero(footage.cuts).tolist() == [9]
    assert footage.windows(5).tolist() == [0, 1, 2, 3, 4, 5, 10, 15, 16, 17]
    assert footage.windows(30).tolist() == []


def test_decoding_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run maps what the first one decoded."""
    path = write(tmp_path / "a.avi", shot(1, 6))
    first = open_footage(path, tmp_path / "cache")
    monkeypatch.setattr("vsvfi.train.footage._decode", lambda *_: pytest.fail("decoded again"))
    assert (open_footage(path, tmp_path / "cache").frames == first.frames).all()


def test_footage_that_cannot_be_decoded(tmp_path: Path) -> None:
    """The error names the file, and leaves nothing behind."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"this is no video" * 100)
    with pytest.raises(FootageError, match=r"a\.mp4 cannot be decoded"):
        open_footage(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(FootageError, match=r"there is no footage .*b\.mp4"):
        open_footage(tmp_path / "b.mp4", tmp_path / "cache")
