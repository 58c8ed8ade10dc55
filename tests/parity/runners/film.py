"""FILM."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import crop, outputs, pad

from vsvfi.ops import backward_warp

MODELS = {"film": "film"}


def run(network: Any, case: Case) -> Results:
    # The authors' script pads with zeros.
    frame0, frame1 = pad(case, case["frame0"], "constant"), pad(case, case["frame1"], "constant")
    first, second = network.encode(frame0), network.encode(frame1)
    times = case["timestep"].reshape(-1)
    with outputs(network, "shared_predictor.4", "predictors.0.4", "fusion.0.0", "fusion.0.2", "fusion.2.2") as kept:
        motion = network.prepare(first, second)
        out = network.synthesize(motion, times)
    residuals = kept["shared_predictor.4"]
    return {
        "out": crop(case, out),
        "feat0_l5": first.features[5],
        "res01_l6": residuals[0],
        "res01_l3": residuals[3],
        "res01_l2": kept["predictors.0.4"][0],
        "flow01_l4": motion.ahead[4],
        "flow01": motion.ahead[0],
        "flow10": motion.back[0],
        "warped0": backward_warp(frame0, times.view(-1, 1, 1, 1) * motion.back[0]),
        "up_l3": kept["fusion.0.0"][0][:, :16],
        "fuse_l3": kept["fusion.0.2"][0][:, :16],
        "fuse_l1": kept["fusion.2.2"][0][:, :8],
    }
