"""Benchmarks that are whole sequences: every k-th frame is given, those between are to be made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.commands.evaluate.samples import DatasetError, Picture, Sample

__all__ = ["VideoFrame", "adobe240", "atd12k", "davis", "gopro", "vid4", "videos", "vimeo_speed"]

_IMAGES = frozenset({".png", ".jpg", ".jpeg"})
_VIDEOS = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v"})


def _images(folder: Path) -> list[Path]:
    """The images in a folder, numbered ones by their numbers."""

    def key(path: Path) -> tuple[int, str]:
        digits = "".join(character for character in path.stem if character.isdecimal())
        return int(digits or -1), path.stem

    return sorted((path for path in folder.iterdir() if path.suffix.lower() in _IMAGES), key=key)


def _folders(root: Path, layout: str) -> list[Path]:
    if not root.is_dir():
        raise DatasetError(f"missing {root}; expected {layout}")
    return sorted(path for path in root.iterdir() if path.is_dir())


def _spread(name: str, frames: Sequence[Picture], every: int) -> Iterator[Sample]:
    """Windows of two given frames, ``every`` apart, along a sequence."""
    for start in range(0, len(frames) - every, every):
        between = tuple((Fraction(k, every), frames[start + k]) for k in range(1, every))
        yield Sample(f"{name}/{start:05d}", (frames[start], frames[start + every]), between)


DAVIS = "JPEGImages/480p/<sequence>/00000.jpg ..."
GOPRO = "test/<sequence>/<number>.png"
ADOBE240 = "test_list.txt, which names folders of frames, or test/<sequence>/<number>.png"
VID4 = "GT/<calendar, city, foliage, walk>/<number>.png (or the four in the root)"
ATD12K = "test_2k_540p/<triplet>/frame1.jpg to frame3.jpg"
VIMEO_SPEED = "sep_<fast, medium, slow>_testset.txt and sequences/<sequence>/<clip>/im1.png to im7.png"
VIDEOS = "videos (mp4, mkv, mov, avi, webm, m4v), in the folder or in folders in it; or one video"


def davis(root: Path) -> Iterator[Sample]:
    """Every second frame from its neighbours."""
    for folder in _folders(root / "JPEGImages" / "480p", DAVIS):
        yield from _spread(folder.name, _images(folder), 2)


def gopro(root: Path) -> Iterator[Sample]:
    """Seven frames between every first and ninth."""
    for folder in _folders(root / "test", GOPRO):
        yield from _spread(folder.name, _images(folder), 8)


def adobe240(root: Path) -> Iterator[Sample]:
    """Seven frames between every first and ninth."""
    names = root / "test_list.txt"
    if names.is_file():
        folders = [root / line.strip() for line in names.read_text().splitlines() if line.strip()]
        missing = [folder for folder in folders if not folder.is_dir()]
        if missing:
            raise DatasetError(f"missing {missing[0]}; expected {ADOBE240}")
    else:
        folders = _folders(root / "test", ADOBE240)
    for folder in folders:
        yield from _spread(folder.name, _images(folder), 8)


def vid4(root: Path) -> Iterator[Sample]:
    """Every second frame from its neighbours."""
    for folder in _folders(root / "GT" if (root / "GT").is_dir() else root, VID4):
        yield from _spread(folder.name, _images(folder), 2)


def atd12k(root: Path) -> Iterator[Sample]:
    """Triplets of animation."""
    for folder in _folders(root / "test_2k_540p", ATD12K):
        frames = [next(iter(folder.glob(f"frame{k}.*")), folder / f"frame{k}.jpg") for k in (1, 2, 3)]
        yield Sample(folder.name, (frames[0], frames[2]), ((Fraction(1, 2), frames[1]),))


def vimeo_speed(root: Path, speed: str) -> Iterator[Sample]:
    """Septuplets: frames 2, 4 and 6 from 1, 3, 5 and 7, as space-time super-resolution is measured."""
    names = root / f"sep_{speed}_testset.txt"
    if not names.is_file():
        raise DatasetError(f"missing {names}; expected {VIMEO_SPEED}")
    for line in names.read_text().split():
        frames = [root / "sequences" / line / f"im{number}.png" for number in range(1, 8)]
        between = tuple((Fraction(k, 2), frames[k]) for k in (1, 3, 5))
        yield Sample(line, tuple(frames[::2]), between)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame of a video file, used like an image file."""

    path: Path
    number: int

    @property
    def name(self) -> str:
        """The file's name and the frame's number."""
        return f"{self.path.name}[{self.number}]"

    def is_file(self) -> bool:
        """Whether the video is there."""
        return self.path.is_file()

    def read(self) -> NDArray[np.uint8]:
        """The frame ``(H, W, 3)``, RGB."""
        import vapoursynth as vs

        from vsvfi.commands.clips import image_of

        clip = _opened(self.path)
        rgb = clip[self.number].resize.Bicubic(format=vs.RGB24)
        with rgb.get_frame(0) as frame:
            return np.asarray(image_of(frame), np.uint8)


@lru_cache(4)
def _opened(path: Path) -> Any:
    import vapoursynth as vs

    from vsvfi.commands.clips import open_video

    clip = open_video(path)
    guess = vs.MATRIX_BT709 if clip.width >= 1280 or clip.height > 576 else vs.MATRIX_ST170_M
    with clip.get_frame(0) as frame:
        known = frame.props.get("_Matrix", vs.MATRIX_UNSPECIFIED) != vs.MATRIX_UNSPECIFIED
    return clip if known else clip.std.SetFrameProps(_Matrix=guess)


def videos(root: Path, every: int) -> Iterator[Sample]:
    """All frames but every ``every``-th are left out and predicted; windows end at scene changes.

    A sample is a whole scene, so that models of four frames get four.
    """
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.suffix.lower() in _VIDEOS)
    for path in files:
        for begin, end in _scenes(path):
            kept = range(begin, end, every)
            if len(kept) < 2:
                continue
            between = tuple(
                (Fraction(n - begin, every), VideoFrame(path, n)) for n in range(begin, kept[-1]) if (n - begin) % every
            )
            name = path.stem if root.is_file() else path.relative_to(root).with_suffix("").as_posix()
            yield Sample(f"{name}/{begin:05d}", tuple(VideoFrame(path, n) for n in kept), between)


def _scenes(path: Path) -> Iterator[tuple[int, int]]:
    """The first frame of every scene, and the one after its last."""
    from vsvfi.commands.clips import core

    marked = core.vsvfi.DetectScenes(_opened(path))
    begin = 0
    for n, frame in enumerate(marked.frames(close=True)):
        if n and frame.props.get("_SceneChangePrev"):
            yield begin, n
            begin = n
    yield begin, marked.num_frames
