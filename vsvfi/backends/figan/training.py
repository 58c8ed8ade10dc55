"""How FIGAN is trained: its losses compare the synthesis at every scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from vsvfi.backends.recipe import for_backend
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe, new_network

__all__ = ["recipe"]


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The finest synthesis counts 1, the coarser ones one half each, as the paper's known text says."""
    network, choices = new_network(info, table, network)
    return for_backend(info, network, _run, choices)


def _run(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames[:, 0], batch.frames[:, 1])
    coarser = len(prediction.syntheses) - 1
    return Output(prediction.frame, prediction.syntheses, shares=(1.0, *[0.5] * coarser))
