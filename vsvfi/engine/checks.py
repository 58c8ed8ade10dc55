"""Holds a torch backend to its contract: the frames it returns, and those it was given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from vsvfi.engine.contract import broken_contract
from vsvfi.models.info import BackendInfo

__all__ = ["check_frames", "unchanged"]


def check_frames(info: BackendInfo, frames: Tensor, count: int, source: Tensor) -> Tensor:
    """The frames that a backend made, as they are.

    Raises:
        VsvfiError: they are not ``count`` RGB frames of the size of ``source``, times the model's scale.
    """
    height, width = (info.spatial_scale * side for side in source.shape[-2:])
    wanted = (count, 3, height, width)
    if not isinstance(frames, Tensor) or tuple(frames.shape) != wanted or not frames.is_floating_point():
        got = f"{frames.dtype} {tuple(frames.shape)}" if isinstance(frames, Tensor) else type(frames).__name__
        raise broken_contract(info, f"returned frames of {got}, wanted floats {wanted}")
    return frames


@contextmanager
def unchanged(info: BackendInfo, window: Sequence[Tensor]) -> Iterator[None]:
    """Run a backend on a window.

    Raises:
        VsvfiError: its frames have changed.
    """
    before = [frame.sum(dtype=torch.float64) for frame in window]
    yield
    if any(frame.sum(dtype=torch.float64) != was for frame, was in zip(window, before, strict=True)):
        raise broken_contract(info, "changed the frames that it was given")
