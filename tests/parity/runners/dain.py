"""DAIN."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from steps import crop, pad

MODELS = {"dain": "dain"}


def run(net: Any, case: Case) -> Results:
    frames = (pad(case, case["frame0"]), pad(case, case["frame1"]))
    encoded = (net.encode(frames[0]), net.encode(frames[1]))
    pair = net.prepare(frames, encoded)
    syntheses = [net.synthesize(pair, t) for t in case["timesteps"].tolist()]
    return {
        "out": torch.stack([crop(case, synthesis.out) for synthesis in syntheses]),
        "flow_raw0": syntheses[0].flows[0],
        "log_depth": torch.cat([one.log_depth for one in encoded]),
        "filter0": pair.kernels[0],
        "filter1": pair.kernels[1],
    }
