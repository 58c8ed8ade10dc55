"""CURE."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

MODELS = {"cure": "cure"}


def run(net: Any, case: Case) -> Results:
    first, second = net.encode(case["frame0"]), net.encode(case["frame1"])
    pair = net.prepare(first, second)
    timesteps = case["timestep"].reshape(1)
    return {
        "out": net.synthesize(pair, timesteps),
        "flow21": pair.flows[0],
        "flow12": pair.flows[1],
        "feat_frame0": first.features[:, :4],
        "fused": net.fuse(pair, timesteps)[:, :4],
    }
