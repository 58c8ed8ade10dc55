"""Deep Voxel Flow."""

from __future__ import annotations

from harness import Case, Results
from torch import nn

MODELS = {"voxel_flow": "voxel-flow"}


def run(network: nn.Module, case: Case) -> Results:
    flow_mask = network.voxel_flow(case["one"], case["two"])
    return {
        "flow_mask": flow_mask,
        "output": network.sample(case["one"], case["two"], flow_mask, tuple(case["one"].shape[-2:])),
    }
