"""BMBC."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results

from vsvfi.ops import bilateral_cost_volume

MODELS = {"bmbc": "bmbc"}


def run(network: Any, case: Case) -> Results:
    t = case.number("timestep")
    first, second = network.encode(case["frame0"]), network.encode(case["frame1"])
    flows = network.prepare(first, second)
    motion = network.motion(first, second, t)
    candidates = network.candidates(first, second, flows, motion, t)
    logits = network.logits(first, second, candidates)
    coarsest = first.features[-1]
    no_motion = torch.zeros(1, 2, *coarsest.shape[-2:])
    return {
        "corr6_t0": bilateral_cost_volume(coarsest, second.features[-1], no_motion, timestep=0.0, radius=6),
        "flow01": flows.forward,
        "flow10": flows.backward,
        "bm": motion,
        "cand5_rgb": candidates[4][:, :3],
        "logits_head": logits[:, :5],
        "out": network.blend(candidates, logits),
    }
