"""Short sequences of images as training windows: the data sets of the papers in their published layouts.

Only the parts meant for training are read: lists and folders named ``train``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvfi.models.settings import ConfigError
from vsvfi.train.footage import FootageError

__all__ = ["IMAGES", "LAYOUTS", "VIDEOS", "ImageSet", "images_in", "pick", "read_image", "read_set", "videos_in"]

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
VIDEOS = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".ts", ".mpg"})

type Files = tuple[Path, ...]


@dataclass(frozen=True)
class ImageSet:
    """Sequences of image files in the order of time, all of one data set."""

    name: str
    sequences: tuple[Files, ...]


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image ``(H, W, 3)``, RGB.

    Raises:
        FootageError: it is missing or damaged.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FootageError(f"{path} is {'damaged or no image' if path.is_file() else 'missing'}")
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8, copy=False)


def images_in(folder: Path) -> Files:
    """The images in a folder, numbered ones by their numbers."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    return tuple(sorted(found, key=_number))


def videos_in(folder: Path) -> Files:
    """The videos in a folder and in the folders in it, by name."""
    return tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS))


def _number(path: Path) -> tuple[int, str]:
    digits = "".join(character for character in path.stem if character.isdecimal())
    return (int(digits) if digits else -1, path.stem)


def _listed(root: Path, name: str) -> Iterator[Path]:
    """The folders that a list names, one a line, below ``sequences``."""
    path = root / name
    if not path.is_file():
        raise ConfigError(f"there is no list {path}")
    for line in path.read_text().splitlines():
        if line.strip():
            yield root / "sequences" / line.strip()


def _triplet(root: Path) -> Iterator[Files]:
    for folder in _listed(root, "tri_trainlist.txt"):
        yield tuple(folder / f"im{number}.png" for number in range(1, 4))


def _septuplet(root: Path) -> Iterator[Files]:
    for folder in _listed(root, "sep_trainlist.txt"):
        yield tuple(folder / f"im{number}.png" for number in range(1, 8))


def _train_folders(root: Path) -> Iterator[Files]:
    """Every folder below ``train`` that holds images."""
    base = root / "train"
    if not base.is_dir():
        raise ConfigError(f"there is no folder {base}")
    for folder in sorted({path.parent for path in base.rglob("*") if path.suffix.lower() in IMAGES}):
        yield images_in(folder)


def _adobe240(root: Path) -> Iterator[Files]:
    """The folders of frames that ``train_list.txt`` names, or those below ``train``."""
    names = root / "train_list.txt"
    if not names.is_file():
        yield from _train_folders(root)
        return
    for line in names.read_text().splitlines():
        if line.strip():
            folder = root / line.strip()
            if not folder.is_dir():
                raise ConfigError(f"{names} names {folder}, which is not there")
            yield images_in(folder)


def _atd12k(root: Path) -> Iterator[Files]:
    base = root / "train_10k"
    if not base.is_dir():
        raise ConfigError(f"there is no folder {base}")
    for folder in sorted(path for path in base.iterdir() if path.is_dir()):
        yield images_in(folder)[:3]


def _folders(root: Path) -> Iterator[Files]:
    """Every folder that holds images, ``root`` included."""
    if not root.is_dir():
        raise ConfigError(f"there is no folder {root}")
    for folder in sorted({path.parent for path in root.rglob("*") if path.suffix.lower() in IMAGES}):
        yield images_in(folder)


LAYOUTS: Mapping[str, Callable[[Path], Iterator[Files]]] = MappingProxyType(
    {
        "vimeo90k-triplet": _triplet,
        "vimeo90k-septuplet": _septuplet,
        "x4k1000fps": _train_folders,
        "gopro": _train_folders,
        "adobe240": _adobe240,
        "atd12k": _atd12k,
        "folders": _folders,
    }
)
"""Names of layouts, and what lists their training sequences."""


def read_set(description: str) -> ImageSet:
    """A data set from ``LAYOUT:FOLDER``.

    Raises:
        ConfigError: the layout is not known, or the folder does not have it.
    """
    layout, _, root = description.partition(":")
    if layout not in LAYOUTS or not root:
        raise ConfigError(
            f"data.sets must be like 'vimeo90k-triplet:FOLDER', got {description!r}; layouts: {', '.join(LAYOUTS)}"
        )
    sequences = tuple(files for files in LAYOUTS[layout](Path(root)) if len(files) >= 3)
    if not sequences:
        raise ConfigError(f"there are no sequences of three images or more of {layout} in {root}")
    return ImageSet(layout, sequences)


def pick(
    rng: np.random.Generator, length: int, window: Sequence[int], strides: Sequence[int], *, any_timestep: bool
) -> tuple[list[int], int, int] | None:
    """Frames of a sequence for one sample: those of the window, then the target; its step, and the stride.

    Windows that reach beyond the sequence repeat its first or last frame, as at a cut. None where no stride fits.
    """
    fitting = [stride for stride in strides if stride < length]
    if not fitting:
        return None
    stride = int(fitting[rng.integers(len(fitting))])
    low, high = -window[0] * stride, length - 1 - window[-1] * stride
    if low > high:  # too short for the whole window: the two inner frames must do
        low, high = 0, length - 1 - stride
    before = int(rng.integers(low, high + 1))
    step = int(rng.integers(1, stride)) if any_timestep else stride // 2
    chosen = [min(max(before + offset * stride, 0), length - 1) for offset in window]
    return [*chosen, before + step], step, stride
