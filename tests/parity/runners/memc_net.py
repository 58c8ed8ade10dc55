"""MEMC-Net."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import crop, pad

MODELS = {"memc_net_star": "memc-net-star", "memc_net": "memc-net", "memc_net_s": "memc-net-s"}


def run(net: Any, case: Case) -> Results:
    frame0, frame1 = pad(case, case["frame0"]), pad(case, case["frame1"])
    motion = net.prepare(frame0, frame1)
    synthesis = net.synthesize(frame0, frame1, motion)
    results = {
        "out": crop(case, synthesis.out),
        "flow_raw0": motion.flows[0],
        "filter0": motion.kernels[0],
        "filter1": motion.kernels[1],
    }
    if motion.occlusion is not None:
        results |= {"occlusion0": motion.occlusion[0], "occlusion1": motion.occlusion[1]}
    return results
