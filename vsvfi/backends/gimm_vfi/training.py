"""How GIMM-VFI is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from vsvfi.backends.gimm_vfi.network import GIMMVFI
from vsvfi.backends.recipe import for_backend
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe, new_network

__all__ = ["recipe"]


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The motion module, the flow estimator and the synthesis together."""
    network, choices = new_network(info, table, network)
    return for_backend(info, network, _run, choices)


def _run(network: nn.Module, batch: Batch) -> Output:
    assert isinstance(network, GIMMVFI)
    first, second = (network.encode(frame) for frame in batch.frames.unbind(1))
    new = network.synthesize(network.prepare(first, second), batch.timestep)
    t = batch.timestep.view(-1, 1, 1, 1)
    return Output(new.frames, flows=((-t * new.motion, (1 - t) * new.motion), new.quarter))
