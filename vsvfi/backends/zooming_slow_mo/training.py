"""How Zooming Slow-Mo is trained: on frames of a quarter of the size of the true one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn
from torch.nn import functional as F

from vsvfi.backends.recipe import for_backend, synthesized
from vsvfi.models.info import BackendInfo, NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe, new_network

__all__ = ["recipe"]


def recipe(info: NetworkInfo, table: Mapping[str, Any], network: nn.Module | None) -> Recipe:
    """The input frames are the samples', reduced by bicubic interpolation, as the paper's are (section 4.1)."""
    assert isinstance(info, BackendInfo)
    network, choices = new_network(info, table, network)
    whole = for_backend(info, network, partial(_run, info), choices)
    scale = info.spatial_scale
    return replace(whole, multiple=scale * info.multiple, minimum=scale * info.minimum)


def _run(info: BackendInfo, network: nn.Module, batch: Batch) -> Output:
    reduced = F.interpolate(
        batch.frames.flatten(0, 1),
        scale_factor=1 / info.spatial_scale,
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    return synthesized(info, network, batch._replace(frames=reduced.unflatten(0, batch.frames.shape[:2])))
