"""Zooming Slow-Mo."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from steps import pad_end

MODELS = {"zooming_slow_mo": "zooming-slow-mo"}


def run(network: Any, case: Case) -> Results:
    frames = case["frames"]
    height, width = frames.shape[-2:]
    # The authors' script pads with zeros.
    padded = [pad_end(frame, 4, "constant") for frame in frames.unbind(1)]
    sequence = network.sequence([network.encode(frame) for frame in padded])
    features = network.aggregate(sequence)
    output = torch.stack([network.synthesize(x)[..., : 4 * height, : 4 * width] for x in features], 1)
    return {"interp_feature": sequence[1][:, :4], "lstm_feature": features[1][:, :4], "output": output}
