"""The recipe of a model that is trained as the filter runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from vsvfi.backends.base import TorchBackend
from vsvfi.models.info import BackendInfo, NetworkInfo, Options, load_object
from vsvfi.models.recipe import Batch, Output, Recipe, new_network

__all__ = ["for_backend", "one_by_one", "recipe", "synthesized"]


def for_backend(
    info: NetworkInfo,
    network: nn.Module,
    run: Callable[[nn.Module, Batch], Output],
    choices: Mapping[str, Any] | None = None,
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
        choices=choices or {},
    )


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """For a backend that takes any number of windows at once."""
    network, choices = new_network(info, table, network)
    return for_backend(info, network, partial(synthesized, info), choices)


def one_by_one(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """For a backend that takes one window at a time."""
    network, choices = new_network(info, table, network)
    return for_backend(info, network, partial(_each_synthesized, info), choices)


def synthesized(info: NetworkInfo, network: nn.Module, batch: Batch) -> Output:
    """The new frames, as the backend makes them."""
    assert isinstance(info, BackendInfo)
    backend: TorchBackend = load_object(info.backend)(info, network, Options())
    window = batch.frames.unbind(1)
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    return Output(backend.synthesize(state, batch.timestep))


def _each_synthesized(info: NetworkInfo, network: nn.Module, batch: Batch) -> Output:
    parts = [Batch(*(value[i : i + 1] for value in batch)) for i in range(len(batch.frames))]
    return Output(torch.cat([synthesized(info, network, part).frame for part in parts]))
