"""Interpolate's arguments, checked: everything but the clip and the time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from vsvfi.engine.create import EngineSettings
from vsvfi.errors import VsvfiError
from vsvfi.filter.arguments import ARGUMENTS
from vsvfi.filter.masks import check_blend
from vsvfi.models import registry
from vsvfi.models.info import BackendInfo, Options

__all__ = ["Settings", "check_declared", "check_settings", "check_threshold"]

FLOW_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked arguments."""

    info: BackendInfo
    engine: EngineSettings
    sc: bool
    sc_threshold: float | None
    sc_mode: str
    bridge: bool
    blend: float


def check_declared(arguments: Mapping[str, Any]) -> None:
    """Check ``arguments`` (all of them, by name) against their declared choices and bounds.

    Raises:
        VsvfiError: the first argument that is none of its choices, or out of its bounds.
    """
    for argument in ARGUMENTS:
        value = arguments[argument.name]
        if value is None:
            continue
        if argument.kind.startswith("data") and not all(isinstance(text, str) for text in _strings(value)):
            raise VsvfiError(f"{argument.name} must be text, got {value!r}")
        if argument.choices:
            _check_choice(argument.name, value, argument.choices)
        if argument.bounds and not argument.bounds[0] <= value <= argument.bounds[1]:
            raise VsvfiError(f"{argument.name} must be from {argument.bounds[0]} to {argument.bounds[1]}, got {value}")


def check_settings(arguments: Mapping[str, Any], kind: Literal["interpolate", "enhance"] = "interpolate") -> Settings:
    """Check the settings of the model, the engine and scene detection; ``arguments`` are all of them, by name.

    Raises:
        VsvfiError: the first argument that is wrong, with what it may be.
    """
    info = registry.find(arguments["model"], kind)
    weights = _strings(arguments["weights"])
    if weights and not info.build:
        raise VsvfiError(f"model {info.name!r} has no weights; leave weights out")
    if info.planes:
        _check_planes(info, arguments)
    return Settings(
        info=info,
        engine=EngineSettings(
            options=Options(
                quality=_quality(info, arguments["quality"]), flow_scale=_flow_scale(info, arguments["scale"])
            ),
            device=_device_name(info, arguments["device"]),
            precision=arguments["precision"],
            weights=weights,
            tile=_tile(arguments["tile"]),
            streams=arguments["num_streams"],
        ),
        blend=_blend(info, arguments),
        sc=bool(arguments["sc"]),
        sc_threshold=check_threshold("sc_threshold", arguments["sc_threshold"]),
        sc_mode=arguments["sc_mode"],
        bridge=arguments["duplicates"] == "bridge",
    )


def _check_planes(info: BackendInfo, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that only networks on torch have."""
    chosen = {
        "tile": _tile(arguments["tile"]) is not None,
        "num_streams": arguments["num_streams"] != 1,
        "precision": arguments["precision"] != "auto",
    }
    for name, given in chosen.items():
        if given:
            raise VsvfiError(f"model {info.name!r} works without torch and has no choice of {name}; leave {name} out")


def _blend(info: BackendInfo, arguments: Mapping[str, Any]) -> float:
    blend = check_blend(arguments["blend"])
    if info.spatial_scale > 1 and (blend < 1 or arguments["mask"] is not None):
        raise VsvfiError(f"model {info.name!r} enlarges frames: leave mask and blend out")
    return blend


def check_threshold(name: str, value: float | None) -> float | None:
    """The threshold of the scene detector as it is.

    Raises:
        VsvfiError: it is out of its range.
    """
    if value is not None and not 0 < value <= 1:
        raise VsvfiError(f"{name} must be above 0 and at most 1, got {value:g}")
    return value


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise VsvfiError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _strings(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str | bytes) else tuple(value)


def _quality(info: BackendInfo, value: str | None) -> str:
    if not value:
        return ""
    if not info.qualities:
        raise VsvfiError(f"model {info.name!r} has no choice of quality; leave quality out")
    _check_choice("quality", value, info.qualities)
    return value


def _flow_scale(info: BackendInfo, value: float | None) -> Fraction:
    if value is None or value == 1:
        return Fraction(1)
    if value not in FLOW_SCALES:
        raise VsvfiError(f"scale must be one of {', '.join(f'{s:g}' for s in FLOW_SCALES)}, got {value:g}")
    if not info.supports_flow_scale:
        raise VsvfiError(f"model {info.name!r} cannot estimate motion at another scale; leave scale out")
    return Fraction(value)


def _tile(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    sizes = [] if value is None else [value] if isinstance(value, int) else list(value)
    if not sizes or sizes in ([0], [0, 0]):
        return None
    if len(sizes) > 2 or min(sizes) < 64:
        raise VsvfiError(f"tile must be one or two numbers of at least 64 (width, height), or 0 for none, got {sizes}")
    return sizes[-1], sizes[0]


def _device_name(info: BackendInfo, device: str) -> str:
    if not re.fullmatch("auto|cpu|mps|cuda(:[0-9]{1,3})?", device):
        raise VsvfiError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {device!r}")
    if info.planes and device.startswith(("cuda", "mps")):
        raise VsvfiError(f"model {info.name!r} runs on the CPU only; use device='auto', got {device!r}")
    return device
