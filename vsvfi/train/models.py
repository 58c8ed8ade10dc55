"""Which models can be trained, and how the trainer builds and calls them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from vsvfi.backends.jnmr.network import JNMR, Hyperparameters
from vsvfi.train.config import Config, ConfigError
from vsvfi.train.data import Batch

__all__ = ["TRAINABLE", "Output", "Trainable", "trainable"]


class Output(NamedTuple):
    """What the losses need: the frame, the frame before synthesis (or the frame again), offsets to keep smooth."""

    frame: Tensor
    reconstruction: Tensor
    offsets: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Trainable:
    """A model that can be trained."""

    build: Callable[[Config], nn.Module]
    run: Callable[[nn.Module, Batch], Output]


def _build_jnmr(config: Config) -> nn.Module:
    return JNMR(Hyperparameters(**dataclasses.asdict(config.model)))


def _run_jnmr(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames, batch.timestep, batch.flows if batch.flows.numel() else None)
    return Output(prediction.frame, prediction.reconstruction, prediction.offsets)


TRAINABLE: Mapping[str, Trainable] = {
    "jnmr": Trainable(_build_jnmr, _run_jnmr),
}


def trainable(name: str) -> Trainable:
    """How a model is trained.

    Raises:
        ConfigError: it cannot be.
    """
    if name not in TRAINABLE:
        raise ConfigError(f"{name!r} cannot be trained here; models that can: {', '.join(sorted(TRAINABLE))}")
    return TRAINABLE[name]
