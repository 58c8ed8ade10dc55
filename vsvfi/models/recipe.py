"""How a model is trained: the contract between the trainer and a network.

`vsvfi.models.info.NetworkInfo.recipe` names a function ``recipe(info, table, network)`` by its import path. It reads
the table ``[model]`` of the configuration, which belongs to the model, and returns a `Recipe` around ``network``, or
around a new one where that is None. It raises `vsvfi.models.settings.ConfigError` for what the table gets wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vsvfi.models.info import NetworkInfo, load_object
from vsvfi.models.settings import ConfigError, read_table

__all__ = ["Batch", "MakeRecipe", "Output", "Recipe", "Size", "new_network"]


class Batch(NamedTuple):
    """Samples, all with the batch dimension N first.

    ``frames`` ``(N, F, 3, H, W)`` are those at the recipe's window, ``target`` ``(N, 3, H, W)`` is the true frame at
    ``timestep`` ``(N,)`` in (0, 1); RGB in [0, 1]. ``measured`` is what `Recipe.measure` gave, or empty.
    """

    frames: Tensor
    target: Tensor
    timestep: Tensor
    measured: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(*(value.to(device, non_blocking=True) for value in self))


class Output(NamedTuple):
    """What the losses compare.

    ``frame`` ``(N, 3, H, W)`` is the new frame; ``stages`` are earlier versions of it, of any size, whose ``shares``
    say what each counts (by default all the same, together 1); ``offsets`` ``(..., h, w)`` are maps to keep smooth;
    ``flows`` are pairs of flows ``(N, 2, h, w)`` from the new frame to the first and to the second of the two frames
    around it, in pixels of their own size, finest first. ``losses`` are parts of the loss that the recipe computed.
    """

    frame: Tensor
    stages: tuple[Tensor, ...] = ()
    offsets: tuple[Tensor, ...] = ()
    flows: tuple[tuple[Tensor, Tensor], ...] = ()
    shares: tuple[float, ...] = ()
    losses: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and how it runs on a batch.

    ``window`` gives the source frames it needs as offsets from the frame before the new one. Sides of crops are
    multiples of ``multiple`` and at least ``minimum`` pixels. ``measure`` is called on the frames
    ``(F, H, W, 3)``, RGB of 8 bit, of every sample, in the processes that make samples; it must be picklable.
    ``choices`` is the table ``[model]`` with its defaults: a checkpoint of other choices is refused.
    """

    network: nn.Module
    run: Callable[[nn.Module, Batch], Output]
    window: tuple[int, ...] = (0, 1)
    any_timestep: bool = False
    multiple: int = 1
    minimum: int = 1
    measure: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)


type MakeRecipe = Callable[[NetworkInfo, Mapping[str, Any], nn.Module | None], Recipe]


@dataclass(frozen=True, kw_only=True)
class Size:
    """The table ``[model]`` of a network that was published in one size."""

    tiny: bool = False
    """a very small network, of no use but to try a configuration in seconds"""


def new_network(
    info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None
) -> tuple[nn.Module, dict[str, Any]]:
    """``network``, or an untrained one, with the choices that were made in ``table``.

    A new network comes from ``create(name)``, or a tiny one from ``example(name)``, both beside ``build``.

    Raises:
        ConfigError: the table has keys that are not known, or contradicts the network.
    """
    if network is not None:
        if table:
            raise ConfigError("the table [model] must be left out with --weights: they are of a network of their own")
        return network, {}
    size = read_table(Size, table, "model.")
    module = info.build.partition(":")[0]
    network = load_object(f"{module}:{'example' if size.tiny else 'create'}")(info.name)
    assert network is not None
    return network, asdict(size)
