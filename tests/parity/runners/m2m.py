"""M2M."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from steps import outputs, pad_end

from vsvfi.backends.m2m.network import statistics

MODELS = {"m2m": "m2m"}


def run(network: Any, case: Case) -> Results:
    height, width = case["frame0"].shape[-2:]
    ratio = int(case.number("ratio"))
    frame0, frame1 = (pad_end(case[name], 16 * ratio) for name in ("frame0", "frame1"))
    of_frames = (statistics(frame0), statistics(frame1))
    images = network.normalise(frame0, frame1, of_frames)[0]
    levels = network.flow_levels(images, 4 / ratio)
    with outputs(network, "refinement") as kept:
        motion = network.prepare(frame0, frame1, of_frames, 4 / ratio)
    flow01, flow10 = motion.flows.flatten(1, 2).chunk(2)
    weight0, weight1 = kept["refinement"][0][1].chunk(2)
    pairs = len(frame0)
    times = [t.expand(pairs) for t in case["timesteps"]]
    results = {
        "out": torch.stack([network.synthesize(motion, t)[..., :height, :width] for t in times]),
        "normaliser": torch.stack([network.splat(motion, t)[1] for t in times]),
        "pwc_flow01_l5": levels[0][:pairs],
        "pwc_flow01": levels[-1][:pairs],
        "pwc_flow10": levels[-1][pairs:],
        "flow01": flow01,
        "flow10": flow10,
        "weight0": weight0,
        "weight1": weight1,
    }
    if "enc_s0_l3" in case:
        full = ratio * torch.nn.functional.interpolate(
            levels[-1], scale_factor=ratio, mode="bilinear", align_corners=False
        )
        results["enc_s0_l3"] = network.refinement.encode(images, full)[0][-1][:pairs]
    return results
