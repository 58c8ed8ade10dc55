"""How the motion of GIMM-VFI is trained on its own: on flows that an estimator finds (section 3.3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vsvfi.models import estimators
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe, Size, new_network
from vsvfi.models.settings import read_table
from vsvfi.nets.gimm.network import ImplicitMotion
from vsvfi.ops import backward_warp

__all__ = ["recipe"]


@dataclass(frozen=True, kw_only=True)
class Choices(Size):
    """The table ``[model]`` of the motion network."""

    estimator: str = "dis"
    """finds the flows to learn from: any name that `vsvfi.flow` knows; the paper's was FlowFormer"""


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The flows between both frames and from the true frame to either are the estimator's."""
    choices = read_table(Choices, table, "model.")
    network, _ = new_network(info, {"tiny": True} if choices.tiny else {}, network)
    return Recipe(
        network=network,
        run=partial(_run, estimators.flow(choices.estimator)),
        any_timestep=True,
        minimum=16,
        choices=asdict(choices),
    )


def _run(flow: estimators.Estimator, network: nn.Module, batch: Batch) -> Output:
    assert isinstance(network, ImplicitMotion)
    first, second = batch.frames.unbind(1)
    motion = network.encode(flow(first, second), flow(second, first))
    # The motion over the whole interval of what is seen at t: from where it was to where it will be.
    true = flow(batch.target, second) - flow(batch.target, first)
    _, predicted = network(motion, batch.timestep)
    # Relative to the largest motion, as the network sees it; where next to nothing moves, in pixels.
    error = ((predicted - true).abs() / motion.scale.clamp_min(1)).mean()
    return Output(_warped(first, second, predicted, batch.timestep), losses={"motion": error})


def _warped(first: Tensor, second: Tensor, motion: Tensor, timestep: Tensor) -> Tensor:
    """Both frames carried along the motion to the timestep, blended by time: a look at what was learnt."""
    t = timestep.view(-1, 1, 1, 1)
    with torch.no_grad():
        return (1 - t) * backward_warp(first, -t * motion) + t * backward_warp(second, (1 - t) * motion)
