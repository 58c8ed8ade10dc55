"""Pictures as users hold them: numpy arrays with channels last, torch tensors with channels first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vsvfi.errors import VsvfiError

__all__ = ["Form", "form_of", "is_tensor"]

_NUMPY = "numpy arrays (H, W) or (H, W, 3) of uint8, uint16 or float"
_TORCH = "torch tensors (3, H, W), (1, H, W) or (N, C, H, W) of uint8 or float"


def is_tensor(picture: Any) -> bool:
    """Whether a picture is a torch tensor; torch is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(picture, torch.Tensor)


@dataclass(frozen=True, slots=True)
class Form:
    """What pictures of one call have in common. ``peak`` is the value of white: 255, 65535 or 1."""

    library: Literal["numpy", "torch"]
    shape: tuple[int, ...]
    dtype: str
    channels: int
    peak: int

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point."""
        return self.peak == 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.shape[-2:] if self.library == "torch" else self.shape[:2]
        return height, width


def form_of(pictures: Sequence[Any]) -> Form:
    """The form that all pictures have.

    Raises:
        VsvfiError: a picture is of no known form, or they differ.
    """
    forms = [_form(picture) for picture in pictures]
    for form in forms[1:]:
        if form != forms[0]:
            first, other = (f"{f.library} {f.dtype} {f.shape}" for f in (forms[0], form))
            raise VsvfiError(f"frames must be of one type and shape, got {first} and {other}")
    return forms[0]


def _form(picture: Any) -> Form:
    if is_tensor(picture):
        kind = str(picture.dtype).removeprefix("torch.")
        shape = tuple(picture.shape)
        known = kind == "uint8" or picture.is_floating_point()
        if len(shape) not in (3, 4) or shape[-3] not in (1, 3) or 0 in shape or not known:
            raise VsvfiError(f"frames must be {_TORCH}, got a tensor {shape} of {kind}")
        return Form("torch", shape, kind, shape[-3], 255 if kind == "uint8" else 1)
    if not isinstance(picture, np.ndarray):
        raise VsvfiError(f"frames must be {_NUMPY}, or {_TORCH}, got {type(picture).__name__}")
    shape, kind = picture.shape, picture.dtype.name
    peak = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}.get(kind)
    if peak is None or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3) or 0 in shape:
        raise VsvfiError(f"frames must be {_NUMPY}, got an array {shape} of {kind}")
    return Form("numpy", shape, kind, 1 if len(shape) == 2 else 3, peak)
