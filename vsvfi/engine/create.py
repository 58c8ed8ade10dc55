"""Creates the engine for a model. torch is imported for the models that need it, and for no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import Engine
from vsvfi.errors import VsvfiError
from vsvfi.models import weights
from vsvfi.models.info import BackendInfo, Options, load_object

__all__ = ["EngineSettings", "create_engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What a user chose for the engine, checked: see `vsvfi.filter.arguments`; ``tile`` is (height, width)."""

    options: Options
    device: str = "auto"
    precision: str = "auto"
    weights: tuple[str, ...] = ()
    tile: tuple[int, int] | None = None
    streams: int = 1


def create_engine(
    info: BackendInfo,
    settings: EngineSettings,
    core: vs.Core,
    *,
    timesteps_after: Callable[[int], Sequence[Fraction]],
    warn: Callable[[str], None],
) -> Engine:
    """The engine for a model, its weights loaded.

    Args:
        info: the model.
        settings: what the user chose.
        core: where the engine creates frames.
        timesteps_after: the timesteps that the output has between a source frame and the next.
        warn: called with a line for the user.

    Raises:
        VsvfiError: the device is not there, torch is missing, or the weights cannot be used.
    """
    if info.planes:
        from vsvfi.engine.planes import PlaneEngine

        return PlaneEngine(info, _backend(info, settings.options), core)
    paths = weights.locate(info, settings.weights) if info.build else []
    try:
        from torch import nn
    except ModuleNotFoundError:
        raise VsvfiError(f"model {info.name!r} needs PyTorch: pip install 'vsvfi[torch]'") from None
    from vsvfi.engine.devices import find_device, find_dtype
    from vsvfi.engine.networks import TorchEngine

    device = find_device(settings.device)
    dtype = find_dtype(info, device, settings.precision)
    network = weights.assemble(info, [weights.read(path) for path in paths]) if info.build else nn.Identity()
    return TorchEngine(
        info,
        _backend(info, network.to(device), settings.options),
        core,
        device=device,
        dtype=dtype,
        tile=settings.tile,
        streams=settings.streams,
        timesteps_after=timesteps_after,
        warn=warn,
    )


def _backend(info: BackendInfo, *arguments: Any) -> Any:
    try:
        return load_object(info.backend)(info, *arguments)
    except BaseException as error:
        error.add_note(f"model {info.name!r} cannot be created")
        raise
