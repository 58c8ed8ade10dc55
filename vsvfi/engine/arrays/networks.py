"""Torch networks on pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.arrays.pixels import Form, is_tensor
from vsvfi.engine.devices import find_dtype
from vsvfi.models import weights
from vsvfi.models.info import BackendInfo, Options, load_object
from vsvfi.models.padding import padding

__all__ = ["NetworkDriver"]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A padded frame ``(1, 3, H, W)`` in [0, 1], with what the backend encoded."""

    rgb: Tensor
    encoded: Any


type Known = list[_Frame]
"""A picture as the backend takes it; of a batch of tensors one frame each."""


class NetworkDriver:
    """Runs a torch backend on pictures, its network on ``device``."""

    def __init__(
        self, info: BackendInfo, options: Options, *, files: Sequence[str], device: torch.device, precision: str
    ) -> None:
        self.info = info
        self._device = device
        self._dtype = find_dtype(info, device, precision)
        network: nn.Module = weights.load(info, files) if info.build else nn.Identity()
        self._backend: TorchBackend = load_object(info.backend)(info, network.to(device), options)

    def take(self, picture: Any, form: Form) -> Known:
        """The picture as the backend takes it, encoded."""
        samples = self._rgb(picture, form)
        margins = self._margins(form)
        known = []
        for sample in samples.split(1):
            padded = functional.pad(sample, margins, mode="replicate") if any(margins) else sample
            known.append(self._encoded(padded))
        return known

    def make(self, window: Sequence[Known], timesteps: Sequence[Fraction], form: Form) -> list[Any]:
        """The pictures at the timesteps."""
        with self._precision():
            samples = [self._sample(list(sample), timesteps) for sample in zip(*window, strict=True)]
        left, _, top, _ = self._margins(form)
        scale, (height, width) = self.info.spatial_scale, form.size
        rows, columns = (slice(start * scale, (start + n) * scale) for start, n in ((top, height), (left, width)))
        batches = [torch.cat(frames) for frames in zip(*samples, strict=True)]
        return [_returned(batch[..., rows, columns], form) for batch in batches]

    def _sample(self, window: list[_Frame], timesteps: Sequence[Fraction]) -> list[Tensor]:
        if self.info.timesteps == "midpoint":
            made: dict[Fraction, _Frame] = {}
            return [self._halved(window, t, made).rgb for t in timesteps]
        state = self._state(window)
        size = self._backend.timestep_batch
        frames: list[Tensor] = []
        for start in range(0, len(timesteps), size):
            batch = [float(t) for t in timesteps[start : start + size]]
            frames += self._backend.synthesize(state, torch.tensor(batch, device=self._device)).split(1)
        return frames

    def _state(self, window: Sequence[_Frame]) -> Any:
        return self._backend.prepare([frame.rgb for frame in window], [frame.encoded for frame in window])

    def _halved(self, window: list[_Frame], t: Fraction, made: dict[Fraction, _Frame]) -> _Frame:
        """The frame at ``t``, a multiple of a power of two, from midpoints between midpoints."""
        middle = self.info.window.index(0)
        if t.denominator == 1:
            return window[middle + t.numerator]
        if t not in made:
            step = Fraction(1, t.denominator)
            ends = window if step == Fraction(1, 2) else [self._halved(window, s, made) for s in (t - step, t + step)]
            new = self._backend.synthesize(self._state(ends), torch.tensor([0.5], device=self._device))
            made[t] = self._encoded(new.float()) if self.info.spatial_scale == 1 else _Frame(new.float(), None)
        return made[t]

    def _encoded(self, padded: Tensor) -> _Frame:
        with self._precision():
            return _Frame(padded, self._backend.encode(padded))

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self._dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, self._dtype)

    def _rgb(self, picture: Any, form: Form) -> Tensor:
        """A picture as ``(N, 3, H, W)`` in [0, 1] on the network's device."""
        if is_tensor(picture):
            given: Tensor = picture.to(self._device).float()
            samples = given.reshape(-1, *form.shape[-3:])
        else:
            array = picture.reshape(*form.size, form.channels).astype(np.float32)
            samples = torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))[None].to(self._device)
        return (samples / form.peak if form.peak > 1 else samples).expand(-1, 3, -1, -1)

    def _margins(self, form: Form) -> tuple[int, int, int, int]:
        """Padding on the left, right, top and bottom."""
        multiple, minimum, where = self._backend.multiple, self.info.minimum, self.info.padding
        height, width = form.size
        left, right = padding(width, multiple=multiple, minimum=minimum, where=where)
        top, bottom = padding(height, multiple=multiple, minimum=minimum, where=where)
        return left, right, top, bottom


def _returned(frames: Tensor, form: Form) -> Any:
    """New frames ``(N, 3, H, W)`` in the form of the given ones, whatever their size."""
    frames = frames.float()
    if form.channels == 1:
        frames = frames.mean(1, keepdim=True)
    if not form.is_float:
        frames = (frames * form.peak).round().clamp(0, form.peak)
    if form.library == "torch":
        frames = frames.to(getattr(torch, form.dtype))
        return frames if len(form.shape) == 4 else frames[0]
    array = np.moveaxis(frames[0].cpu().numpy(), 0, -1)
    return np.ascontiguousarray(array[..., 0] if len(form.shape) == 2 else array).astype(form.dtype)
