"""GMFSS Fortuna."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import factor, outputs

MODELS = {"gmfss_union": "gmfss-union", "gmfss_base": "gmfss-base"}


def run(network: Any, case: Case) -> Results:
    scale = factor(case, "scale")
    first, second = (network.encode(case[name], scale) for name in ("frame0", "frame1"))
    state = network.prepare(first, second, scale)
    t = case["timestep"].reshape(1)
    splat0, splat1 = network.splat(state, t)[0]
    results = {
        "flow01": state.flows[0],
        "flow10": state.flows[1],
        "metric0": state.metrics[0],
        "metric1": state.metrics[1],
        "splat0": splat0,
        "splat1": splat1,
    }
    if "given_flow01" in case:
        given = network.metric((first.half, second.half), (case["given_flow01"], case["given_flow10"]))
        results |= {"given_metric0": given[0], "given_metric1": given[1]}
    if network.rife is None:
        return {**results, "out": network.synthesize(state, t)}
    with outputs(network, "rife") as kept:
        out = network.synthesize(state, t)
    return {**results, "out": out, "rife": kept["rife"][0]}
