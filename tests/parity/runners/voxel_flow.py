"""Deep Voxel Flow."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

MODELS = {"voxel_flow": "voxel-flow"}


def run(network: Any, case: Case) -> Results:
    flow_mask = network.prepare(case["one"], case["two"])
    return {
        "flow_mask": flow_mask,
        "output": network.synthesize(case["one"], case["two"], flow_mask, tuple(case["one"].shape[-2:])),
    }
