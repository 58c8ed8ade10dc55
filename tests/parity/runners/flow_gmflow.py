"""GMFlow."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

from vsvfi.nets.gmflow.network import WINDOWS

MODELS = {"flow_gmflow": "gmflow"}


def run(network: Any, case: Case) -> Results:
    first, second = network.encode(case["frame0"]), network.encode(case["frame1"])
    matched = network.transformer(first.eighth, second.eighth, WINDOWS[0])
    flow8 = network.match_globally(*matched)
    flow8_prop = network.feature_flow_attn(matched[0], flow8, everywhere=True)
    flow4, features = network.refine(first.quarter, second.quarter, flow8_prop)
    return {
        "out": network.flow(first, second),
        "feature8": first.eighth,
        "matched8": matched[0],
        "flow8": flow8,
        "flow8_prop": flow8_prop,
        "flow4": flow4,
        "flow4_prop": network.feature_flow_attn(features, flow4, everywhere=False),
    }
