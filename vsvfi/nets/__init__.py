"""Networks that several models share, or that are of use alone: optical flow, depth, video enhancement.

Importing this package is cheap; a network's module is imported when it is built.
"""

from __future__ import annotations

import importlib

from vsvfi.backend import NetworkInfo
from vsvfi.nets.estimators import Estimator, EstimatorInfo, depth, flow

__all__ = ["MODULES", "Estimator", "EstimatorInfo", "depth", "flow", "networks"]

MODULES: tuple[str, ...] = (
    "flowformer",
    "flownet2",
    "flownets",
    "gimm",
    "megadepth",
    "memc_net",
    "pwcnet",
    "raft",
    "spynet",
)
"""Modules and folders here that list their ``NetworkInfo`` in ``INFOS`` without importing torch."""


def networks() -> dict[str, NetworkInfo]:
    """The networks with weights of their own, by name."""
    return {info.name: info for name in MODULES for info in importlib.import_module(f"vsvfi.nets.{name}").INFOS}
