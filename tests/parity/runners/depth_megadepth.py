"""MegaDepth."""

from __future__ import annotations

from harness import Case, Results
from torch import nn

from vsvfi.nets.megadepth.network import proximity

MODELS = {"depth_megadepth": "megadepth"}


def run(net: nn.Module, case: Case) -> Results:
    out = net(case["image"])
    return {"out": out, "weight": proximity(out)}
