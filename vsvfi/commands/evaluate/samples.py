"""What one test of a benchmark is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError

__all__ = ["DatasetError", "Picture", "Readable", "Sample", "Transform"]

type Transform = Literal["", "half", "centre"]


class DatasetError(VsvfiError):
    """A dataset that is not laid out as expected; the message names what is missing."""


class Readable(Protocol):
    """A picture that is not an image file itself."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def is_file(self) -> bool:
        """Whether it is there."""

    def read(self) -> NDArray[np.uint8]:
        """The picture ``(H, W, 3)``, RGB."""


type Picture = Path | Readable


@dataclass(frozen=True, slots=True)
class Sample:
    """One test of a benchmark.

    ``inputs`` are consecutive source frames, all within one scene. ``targets`` are the frames to reproduce, each
    with its time in source frames: 1/2 is half-way between the first two inputs, 3/2 between the next two.
    ``mask`` is an image whose bright pixels are the ones to measure. ``transform`` is applied to every image.
    """

    name: str
    inputs: tuple[Picture, ...]
    targets: tuple[tuple[Fraction, Picture], ...]
    mask: Path | None = None
    transform: Transform = ""
