"""How a run begins: the recipe, the weights it starts from, and whether it may continue under its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vsvfi.models import registry
from vsvfi.models.info import NetworkInfo, load_object
from vsvfi.models.recipe import MakeRecipe, Recipe
from vsvfi.models.settings import ConfigError
from vsvfi.models.weights import load, networks
from vsvfi.train.config import Config

__all__ = ["differences", "find_trainable", "given_network", "load_recipe", "torch_device"]

WITHOUT_EFFECT = (
    "data.workers",
    "run.device",
    "run.threads",
    "run.compile",
    "run.save_minutes",
    "run.log_every",
    "validation.",
)
"""Settings that do not change what is learnt, up to rounding: names, and beginnings of names."""


def find_trainable(model: str) -> NetworkInfo:
    """The model of that name, if it has a recipe.

    Raises:
        ConfigError: it cannot be trained; the message lists those that can.
        UnknownModelError: there is none of that name.
    """
    known = networks()
    info = known.get(model) or registry.find(model)
    if not info.recipe:
        able = ", ".join(sorted(name for name, other in known.items() if other.recipe))
        raise ConfigError(f"{model!r} cannot be trained; models that can: {able}")
    return info


def load_recipe(info: NetworkInfo, config: Config, network: nn.Module | None = None) -> Recipe:
    """How a model is trained, around ``network`` or a new one.

    Raises:
        ConfigError: not as ``config`` says.
    """
    make: MakeRecipe = load_object(info.recipe)
    recipe = make(info, config.model, network)
    crop = config.data.crop
    if crop % recipe.multiple or crop < recipe.minimum:
        least = f" and at least {recipe.minimum}" if recipe.minimum > recipe.multiple else ""
        raise ConfigError(f"data.crop must be a multiple of {recipe.multiple}{least} for {info.name}, got {crop}")
    if config.data.any_timestep and not recipe.any_timestep:
        raise ConfigError(f"{info.name} reaches the midpoint only: set data.any_timestep = false")
    return recipe


def given_network(info: NetworkInfo, weights: Sequence[str], checkpoint: Mapping[str, Any] | None) -> nn.Module | None:
    """The network that is trained further, None for a new one. A checkpoint knows what its run started from."""
    if checkpoint is not None and checkpoint["fine_tuned"]:
        shapes = {name: tuple(value.shape) for name, value in checkpoint["network"].items()}
        network: nn.Module = load_object(info.build)(shapes)
        return network
    if weights:
        return load(info, () if list(weights) == ["default"] else weights)
    return None


def torch_device(name: str, local: int = 0) -> torch.device:
    """The device to train on; on CUDA, that of process ``local`` of a machine.

    Raises:
        ConfigError: it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"run.device is {name!r} but there is no usable CUDA device")
    return torch.device("cuda", local) if device.type == "cuda" and device.index is None else device


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that matter in which two configurations (as nested tables) differ, one line each."""
    old, new = dict(_flat(earlier, "")), dict(_flat(now, ""))
    return [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if not name.startswith((*WITHOUT_EFFECT, "model.")) and old.get(name) != new.get(name)
    ]


def _flat(tables: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _portable(value)


def _portable(value: Any) -> Any:
    """A value as it is compared: files by their names, for a run may move to another machine."""
    if isinstance(value, str) and "/" in value:
        return Path(value).name
    return [_portable(item) for item in value] if isinstance(value, list | tuple) else value
