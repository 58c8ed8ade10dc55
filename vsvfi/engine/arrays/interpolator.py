"""Frames between frames that are arrays: `between` for one pair, `Interpolator` for many."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from vsvfi.engine.arrays.pixels import Form, form_of, is_tensor
from vsvfi.errors import VsvfiError
from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo, Options

__all__ = ["Interpolator", "between"]

type Timestep = float | Fraction

HALVINGS = 6
"""How often a model that only makes midpoints is halved: 1/64."""


def between[F](
    frame0: F,
    frame1: F,
    t: Timestep | Sequence[Timestep] = 0.5,
    *,
    before: F | None = None,
    after: F | None = None,
    model: str = "flow",
    **options: Any,
) -> F:
    """The frame at ``t`` between two frames, in their own form; several ``t`` give them stacked.

    ``vsvfi.between(first, second, 0.25, model="rife")``. The model is loaded for this call: `Interpolator` keeps it.
    Arguments, forms and errors are those of `Interpolator` and its `Interpolator.between`.
    """
    return Interpolator(model, **options).between(frame0, frame1, t, before=before, after=after)


class Interpolator:
    """A model with its weights, for frames that are arrays. VapourSynth is not needed.

    Frames are numpy arrays ``(H, W, 3)`` or ``(H, W)`` of uint8, uint16 or float, or torch tensors ``(3, H, W)``,
    ``(1, H, W)`` or ``(N, C, H, W)`` of uint8 or float; floats are in [0, 1], colours are RGB. Gray frames are the same
    in all three channels. New frames have the type, the shape and the device of the given ones; models that enlarge
    frames give larger ones. They are differentiable with respect to tensors that ask for gradients, where the model
    is. Scene changes are not looked for.

    Args:
        model: the model's name, as `vsvfi models` lists it.
        weights: names of added weights, or files; by default the first that were added.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. auto is the device of the first frame where that
            is a tensor, else CUDA where it is there.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``; auto is fp16 on CUDA where the model allows it.
        quality: ``fast``, ``balanced`` or ``best``, for models that have the choice.
        scale: the size at which motion is estimated, relative to the frames', for models that have the choice.

    Raises:
        VsvfiError: there is no such model, it has no weights, or an option does not suit it.
    """

    def __init__(
        self,
        model: str = "flow",
        *,
        weights: str | Sequence[str] = (),
        device: str = "auto",
        precision: str = "auto",
        quality: str = "",
        scale: float = 1.0,
    ) -> None:
        self.info = registry.find(model)
        self._files = (weights,) if isinstance(weights, str) else tuple(weights)
        self._options = _options(self.info, quality, scale)
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
            raise VsvfiError(f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}")
        if precision not in ("auto", "fp32", "fp16", "bf16"):
            raise VsvfiError(f"precision must be auto, fp32, fp16 or bf16, got {precision!r}")
        self._device, self._precision = device, precision
        self._driver: Any = None
        _check_usable(self.info, self._files)

    def between[F](
        self,
        frame0: F,
        frame1: F,
        t: Timestep | Sequence[Timestep] = 0.5,
        *,
        before: F | None = None,
        after: F | None = None,
    ) -> F:
        """The frame at ``t``, in [0, 1], between two frames; several ``t`` give them stacked along a new first axis.

        Args:
            frame0: the frame at 0.
            frame1: the frame at 1.
            t: one timestep or several.
            before: the frame before ``frame0``, for models of four frames; by default ``frame0`` again.
            after: the frame after ``frame1``, for models of four frames; by default ``frame1`` again.

        Raises:
            VsvfiError: the frames are of no known form or differ, or the model cannot reach a timestep.
        """
        given = [frame for frame in (before, frame0, frame1, after) if frame is not None]
        form = form_of(given)
        several = isinstance(t, Sequence | np.ndarray)
        steps = [_timestep(step) for step in (t if isinstance(t, Sequence | np.ndarray) else (t,))]
        pair = [frame0, frame1]
        if len(self.info.window) > 2:
            pair = [frame0 if before is None else before, frame0, frame1, frame1 if after is None else after]
        driver = self._driver_for(frame0)
        taken = {id(frame): driver.take(frame, form) for frame in {id(frame): frame for frame in pair}.values()}
        made = self._made([taken[id(frame)] for frame in pair], steps, form, (frame0, frame1))
        if is_tensor(frame0):
            made = [frame.to(frame0.device) for frame in made]  # type: ignore[attr-defined]
        result: F = _stacked(made) if several else made[0]
        return result

    def stream[F](self, frames: Iterable[F], factor: int = 2) -> Iterator[F]:
        """The frames with ``factor - 1`` new ones between every two; each is converted and encoded once.

        The given arrays may be reused by their owner as soon as the next one is asked for. Models of four frames look
        one frame ahead.

        Raises:
            VsvfiError: ``factor`` is below 2 or cannot be reached, or the frames are of no known form or differ.
        """
        if factor < 2:
            raise VsvfiError(f"factor must be at least 2, got {factor}")
        if self.info.spatial_scale > 1:
            raise VsvfiError(f"model {self.info.name!r} enlarges frames; a stream gives source frames as they are")
        steps = [Fraction(k, factor) for k in range(1, factor)]
        ahead = len(self.info.window) // 2
        # Source frames with what the model made of them: those of a window, the first and the last repeated.
        held: deque[tuple[F, Any]] = deque()
        form: Form | None = None
        for frame in frames:
            form = form_of([held[-1][0], frame]) if held else form_of([frame])
            own = _copy(frame.detach() if is_tensor(frame) else frame)  # type: ignore[attr-defined]
            known = (own, self._driver_for(own).take(own, form))
            held.extend([known] * (1 if held else ahead))
            if len(held) == 2 * ahead:
                yield from self._stream_step(held, steps, form)
        for _ in range(ahead - 1 if held else 0):
            held.append(held[-1])
            if len(held) == 2 * ahead and form is not None:
                yield from self._stream_step(held, steps, form)
        if held:
            yield held[-1][0]

    def _stream_step[F](self, held: deque[tuple[F, Any]], steps: list[Fraction], form: Form) -> Iterator[F]:
        """The first frame of the middle pair and the new ones after it."""
        first, second = held[len(held) // 2 - 1][0], held[len(held) // 2][0]
        yield first
        made = self._made([known for _, known in held], steps, form, (first, second))
        yield from (frame.to(first.device) if is_tensor(first) else frame for frame in made)  # type: ignore[attr-defined]
        held.popleft()

    def _made(self, window: list[Any], steps: Sequence[Fraction], form: Form, ends: tuple[Any, Any]) -> list[Any]:
        inner = [step for step in steps if 0 < step < 1]
        self._check_reach(inner)
        made = iter(self._driver.make(window, inner, form) if inner else ())
        if len(inner) < len(steps) and self.info.spatial_scale > 1:
            raise VsvfiError(f"model {self.info.name!r} enlarges frames and does not give those at 0 and 1 here")
        return [next(made) if 0 < step < 1 else _copy(ends[int(step)]) for step in steps]

    def _check_reach(self, steps: Iterable[Fraction]) -> None:
        if self.info.timesteps == "any":
            return
        # Frames outside the window would be needed to halve again with four frames.
        limit = 1 if len(self.info.window) > 2 or self.info.spatial_scale > 1 else HALVINGS
        for step in steps:
            depth = step.denominator.bit_length() - 1
            if step.denominator != 1 << depth or depth > limit:
                reach = "1/2" if limit == 1 else f"1/2, 1/4 ... 1/{2**limit} and their multiples"
                raise VsvfiError(f"model {self.info.name!r} makes {reach} only, got t = {step}; see: vsvfi models")

    def _driver_for(self, frame: Any) -> Any:
        if self._driver is None:
            if self.info.planes:
                from vsvfi.engine.arrays.planes import PlaneDriver

                self._driver = PlaneDriver(self.info, self._options)
            else:
                from vsvfi.engine.arrays.networks import NetworkDriver
                from vsvfi.engine.devices import find_device

                own = is_tensor(frame) and self._device == "auto"
                self._driver = NetworkDriver(
                    self.info,
                    self._options,
                    files=self._files,
                    device=frame.device if own else find_device(self._device),
                    precision=self._precision,
                )
        return self._driver


def _options(info: BackendInfo, quality: str, scale: float) -> Options:
    if quality and quality not in info.qualities:
        known = ", ".join(info.qualities) or "none; leave it out"
        raise VsvfiError(f"quality {quality!r} is none of those of model {info.name!r}: {known}")
    if scale <= 0 or (scale != 1 and not info.supports_flow_scale):
        raise VsvfiError(f"model {info.name!r} cannot estimate motion at scale {scale}; leave scale out")
    return Options(quality=quality, flow_scale=Fraction(scale).limit_denominator(64))


def _check_usable(info: BackendInfo, files: Sequence[str]) -> None:
    """Say at once what is missing."""
    if info.build:
        weights.locate(info, files)
    elif files:
        raise VsvfiError(f"model {info.name!r} has no weights; leave weights out")
    if not info.planes:
        import importlib.util

        if importlib.util.find_spec("torch") is None:
            raise VsvfiError(f"model {info.name!r} needs PyTorch: pip install 'vsvfi[torch]'")


def _timestep(value: Any) -> Fraction:
    try:
        step = Fraction(value if isinstance(value, Fraction) else float(value)).limit_denominator(10**6)
    except (TypeError, ValueError, OverflowError):
        raise VsvfiError(f"t must be a number from 0 to 1, or several, got {value!r}") from None
    if not 0 <= step <= 1:
        raise VsvfiError(f"t must be from 0 to 1, got {value!r}")
    return step


def _copy(frame: Any) -> Any:
    return frame.clone() if is_tensor(frame) else frame.copy()


def _stacked(frames: list[Any]) -> Any:
    if not is_tensor(frames[0]):
        return np.stack(frames)
    import torch

    return torch.stack(frames)
