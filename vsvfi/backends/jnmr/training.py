"""How JNMR and its baseline are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from vsvfi.backends.jnmr.network import JNMR, Hyperparameters
from vsvfi.backends.jnmr.prior import measure_flows
from vsvfi.backends.recipe import for_backend
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe, new_network
from vsvfi.models.settings import Between, ConfigError, read_table

__all__ = ["baseline_recipe", "recipe"]


@dataclass(frozen=True, kw_only=True)
class Choices(Hyperparameters):
    """The table ``[model]`` of JNMR."""

    kernel_size: Annotated[int, Between(1, 31)] = 11
    channels: Annotated[int, Between(8, 256)] = 24
    synthesis_channels: Annotated[int, Between(8, 256)] = 32


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The full model, of the hyperparameters in ``table``, or of those of ``network``."""
    if network is None:
        choices = read_table(Choices, table, "model.")
        if choices.kernel_size % 2 == 0:
            raise ConfigError(f"model.kernel_size must be odd, got {choices.kernel_size}")
        network = JNMR(Hyperparameters(**asdict(choices)))
    elif table:
        raise ConfigError("the table [model] must be left out with --weights: they are of a network of their own")
    assert isinstance(network, JNMR)
    used = network.hyperparameters
    return replace(
        for_backend(info, network, _run, asdict(used)),
        any_timestep=used.timestep,
        measure=_measure if used.primed else None,
    )


def _measure(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    outer, first, second, last = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8) for frame in frames)
    return measure_flows((outer, first, second, last))


def _run(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames, batch.timestep, batch.measured if batch.measured.numel() else None)
    return Output(prediction.frame, (prediction.reconstruction,), prediction.offsets)


def baseline_recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The published baseline."""
    network, choices = new_network(info, table, network)
    return for_backend(info, network, _run_baseline, choices)


def _run_baseline(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames)
    return Output(prediction.frame, (), (prediction.offsets, prediction.occlusion))
