"""SepConv."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import pad_end

MODELS = {"sepconv": "sepconv"}


def run(network: Any, case: Case) -> Results:
    height, width = case["one"].shape[-2:]
    one, two = pad_end(case["one"], 128), pad_end(case["two"], 128)
    kernels = network.prepare(one, two)
    return {
        "vertical1_taps24_26": kernels.vertical1[:, 24:27],
        "horizontal2_taps24_26": kernels.horizontal2[:, 24:27],
        "output": network.synthesize(one, two, kernels)[..., :height, :width],
    }
