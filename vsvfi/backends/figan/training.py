"""How FIGAN is trained: its losses compare the synthesis at every scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from vsvfi.backends.recipe import Size, for_backend, new_network
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe
from vsvfi.models.settings import read_table

__all__ = ["recipe"]


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The finest synthesis counts 1, the coarser ones one half each, as the paper's known text says."""
    size = read_table(Size, table, "model.")
    return for_backend(info, _run, network or new_network(info, size), asdict(size))


def _run(network: nn.Module, batch: Batch) -> Output:
    prediction = network(batch.frames[:, 0], batch.frames[:, 1])
    coarser = len(prediction.syntheses) - 1
    return Output(prediction.frame, prediction.syntheses, shares=(1.0, *[0.5] * coarser))
