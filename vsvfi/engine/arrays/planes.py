"""Backends on native planes, on pictures. No torch here, but for pictures that are tensors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.engine.arrays.pixels import Form, is_tensor
from vsvfi.models.info import BackendInfo, Options, PlaneBackend, PlaneFrame, load_object

__all__ = ["PlaneDriver"]

type Known = list[tuple[PlaneFrame, Any]]
"""A picture with what the backend encoded; of a batch of tensors one each."""


class PlaneDriver:
    """Runs a `PlaneBackend` on pictures."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self._backend: PlaneBackend = load_object(info.backend)(info, options)

    def take(self, picture: Any, form: Form) -> Known:
        """The picture as the backend takes it, encoded."""
        planes = [_planes(array, form) for array in _arrays(picture, form)]
        return [(frame, self._backend.encode(frame)) for frame in planes]

    def make(self, window: Sequence[Known], timesteps: Sequence[Fraction], form: Form) -> list[Any]:
        """The pictures at the timesteps."""
        samples = [self._states(sample) for sample in zip(*window, strict=True)]
        return [_returned([self._synthesize(*sample, t) for sample in samples], form) for t in timesteps]

    def _states(self, sample: Sequence[tuple[PlaneFrame, Any]]) -> tuple[PlaneFrame, Any]:
        frames = [frame for frame, _ in sample]
        return frames[0], self._backend.prepare(frames, [encoded for _, encoded in sample])

    def _synthesize(self, like: PlaneFrame, state: Any, t: Fraction) -> NDArray[Any]:
        out = [np.empty_like(plane, subok=False) for plane in like.planes]
        self._backend.synthesize(state, t, out)
        return np.stack(out, -1)


def _arrays(picture: Any, form: Form) -> list[NDArray[Any]]:
    """A picture as arrays (H, W, C), one for each of a batch."""
    if not is_tensor(picture):
        return [picture.reshape(*form.size, form.channels)]
    array = picture.detach().cpu().float().numpy() if form.is_float else picture.cpu().numpy()
    return list(np.moveaxis(array.reshape(-1, *form.shape[-3:]), 1, -1))


def _planes(array: NDArray[Any], form: Form) -> PlaneFrame:
    planes = [np.array(array[..., channel], order="C") for channel in range(form.channels)]
    if form.is_float:
        planes = [plane.astype(np.float32, copy=False) for plane in planes]
    for plane in planes:
        plane.flags.writeable = False
    bits = 32 if form.is_float else 8 * planes[0].itemsize
    return PlaneFrame(tuple(planes), "RGB" if form.channels == 3 else "GRAY", bits, (0, 0), True)


def _returned(made: list[NDArray[Any]], form: Form) -> Any:
    """New frames (H, W, C) in the form of the given ones."""
    if form.library == "numpy":
        return made[0].reshape(form.shape).astype(form.dtype, copy=False)
    import torch

    stacked = torch.from_numpy(np.stack([np.ascontiguousarray(np.moveaxis(array, -1, 0)) for array in made]))
    return stacked.reshape(form.shape).to(getattr(torch, form.dtype))
