"""Super SloMo."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

from vsvfi.backends.super_slomo.network import Place

MODELS = {"super_slomo": "super-slomo"}


def run(network: Any, case: Case) -> Results:
    flows, place = network.prepare(case["frame0"], case["frame1"]), Place(*case["frame0"].shape[-2:])
    times = case["t"].view(-1, 1, 1, 1)
    frame0, frame1, all_flows = (x.expand(len(times), -1, -1, -1) for x in (case["frame0"], case["frame1"], flows))
    refined = network.refine(frame0, frame1, all_flows, times, place)
    return {
        "flow01_10": flows,
        "ft0_refined": refined.flow_t0[:1],
        "visibility0": refined.visibility0[:1],
        "output": network.blend(frame0, frame1, refined, times, place).unsqueeze(0),
    }
