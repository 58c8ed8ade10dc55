"""Which models can be trained, and how the trainer builds and calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from vsvfi.backends.jnmr.network import JNMR, Hyperparameters
from vsvfi.models.info import load_object
from vsvfi.train.config import Config, ConfigError
from vsvfi.train.data import Batch

__all__ = ["TRAINABLE", "Output", "Trainable", "trainable"]


class Output(NamedTuple):
    """What the losses need: the frame, frames from earlier stages (of any size), offsets to keep smooth.

    ``shares`` say what each stage counts; by default all count the same, together 1.
    """

    frame: Tensor
    stages: tuple[Tensor, ...] = ()
    offsets: tuple[Tensor, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trainable:
    """A model that can be trained: how to build it, how to run it on a batch; whether it reaches any timestep."""

    build: Callable[[Config], nn.Module]
    run: Callable[[nn.Module, Batch], Output]
    any_timestep: bool = False


def _build_jnmr(config: Config) -> nn.Module:
    return JNMR(config.model)


def _run_jnmr(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames, batch.timestep, batch.flows if batch.flows.numel() else None)
    return Output(prediction.frame, (prediction.reconstruction,), prediction.offsets)


def _published(build: str) -> Callable[[Config], nn.Module]:
    """A network without choices, as its ``build`` makes it from no shapes."""

    def make(config: Config) -> nn.Module:
        if config.model != Hyperparameters():
            raise ConfigError("this model comes in one form; leave the table [model] out")
        network: nn.Module = load_object(build)({})
        return network

    return make


def _run_baseline(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames)
    return Output(prediction.frame, (), (prediction.offsets, prediction.occlusion))


def _run_figan(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames[:, 1], batch.frames[:, 2])
    coarser = len(prediction.syntheses) - 1
    return Output(prediction.frame, prediction.syntheses, shares=(1.0, *[0.5] * coarser))


def _run_mind(network: nn.Module, batch: Batch) -> Output:
    return Output(network(batch.frames[:, 1], batch.frames[:, 2]))


TRAINABLE: Mapping[str, Trainable] = MappingProxyType(
    {
        "figan": Trainable(_published("vsvfi.backends.figan.network:build"), _run_figan),
        "jnmr": Trainable(_build_jnmr, _run_jnmr, any_timestep=True),
        "jnmr-baseline": Trainable(_published("vsvfi.backends.jnmr.baseline:build"), _run_baseline),
        "mind": Trainable(_published("vsvfi.backends.mind.network:build"), _run_mind),
    }
)


def trainable(name: str, config: Config) -> Trainable:
    """How a model is trained.

    Raises:
        ConfigError: it cannot be, or not as ``config`` wants it.
    """
    if name not in TRAINABLE:
        raise ConfigError(f"{name!r} cannot be trained here; models that can: {', '.join(sorted(TRAINABLE))}")
    recipe = TRAINABLE[name]
    if config.data.any_timestep and not recipe.any_timestep:
        raise ConfigError(f"{name} reaches the midpoint only: set data.any_timestep = false")
    return recipe
