"""MEMC-Net's video enhancement."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import crop, pad

MODELS = {"memc_net_ve": "memc-net-ve"}


def run(net: Any, case: Case) -> Results:
    frames = case["frames"]
    padded = pad(case, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    result = net(padded)
    return {"out": crop(case, result.out), "flow2": result.flows}
