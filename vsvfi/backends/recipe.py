"""The recipe of a model that is trained as the filter runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from vsvfi.backends.base import TorchBackend
from vsvfi.models.info import BackendInfo, NetworkInfo, Options, load_object
from vsvfi.models.recipe import Batch, Output, Recipe
from vsvfi.models.settings import read_table

__all__ = ["Size", "for_backend", "new_network", "one_by_one", "recipe"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """The table ``[model]`` of a network that was published in one size."""

    tiny: bool = False
    """a very small network, of no use but to try a configuration in seconds"""


def new_network(info: NetworkInfo, size: Size) -> nn.Module:
    """An untrained network: by ``example(name)`` for a tiny one, else by ``create(name)``, both beside ``build``."""
    module = info.build.partition(":")[0]
    network: nn.Module = load_object(f"{module}:{'example' if size.tiny else 'create'}")(info.name)
    return network


def for_backend(
    info: NetworkInfo, run: Callable[[nn.Module, Batch], Output], network: nn.Module, choices: Mapping[str, Any]
) -> Recipe:
    """A recipe whose window, timesteps and sizes are those of the model behind the filter."""
    assert isinstance(info, BackendInfo)
    return Recipe(
        network=network,
        run=run,
        window=info.window,
        any_timestep=info.timesteps == "any",
        multiple=info.multiple,
        minimum=info.minimum,
        choices=choices,
    )


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """For a backend that takes any number of windows at once."""
    size = read_table(Size, table, "model.")
    return for_backend(info, partial(_run, info), network or new_network(info, size), asdict(size))


def one_by_one(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """For a backend that takes one window at a time."""
    size = read_table(Size, table, "model.")
    return for_backend(info, partial(_run_each, info), network or new_network(info, size), asdict(size))


def _run(info: NetworkInfo, network: nn.Module, batch: Batch) -> Output:
    assert isinstance(info, BackendInfo)
    backend: TorchBackend = load_object(info.backend)(info, network, Options())
    window = batch.frames.unbind(1)
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    return Output(backend.synthesize(state, batch.timestep))


def _run_each(info: NetworkInfo, network: nn.Module, batch: Batch) -> Output:
    parts = [Batch(*(value[i : i + 1] for value in batch)) for i in range(len(batch.frames))]
    return Output(torch.cat([_run(info, network, part).frame for part in parts]))
