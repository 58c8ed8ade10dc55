"""GIMM."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results

MODELS = {"gimm": "gimm"}


def run(net: Any, case: Case) -> Results:
    motion = net.encode(case["flow01"], case["flow10"])
    results = {
        "weights01": motion.weights[0],
        "weights10": motion.weights[1],
        "latent0": motion.latents[0][:, :4],
        "scaler": motion.scale.flatten(),
    }
    if "t_list" in case:
        batch = len(case["flow01"])
        found = [net(motion, t.expand(batch)) for t in case["t_list"]]
        results["normalized_list"] = torch.stack([normalized for normalized, _ in found], 1)
        results["flow_list"] = torch.stack([flow for _, flow in found], 1)
    if "t_batch" in case:
        height, width = (int(n * case.number("upsample_ratio")) for n in case["flow01"].shape[-2:])
        results["normalized_batch"], results["flow_batch"] = net(motion, case["t_batch"], (height, width))
    return results
