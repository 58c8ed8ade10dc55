"""JNMR's published baseline."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from torch.nn import functional as F

MODELS = {"jnmr_baseline": "jnmr-baseline"}


def run(network: Any, case: Case) -> Results:
    height, width = case["frame1"].shape[-2:]
    frames = torch.cat([case[name] for name in ("frame0", "frame1", "frame3", "frame4")])
    padded = F.pad(frames, (0, -width % 32, 0, -height % 32), mode="reflect")
    prediction = network(padded[None])
    return {
        "frame2": prediction.frame[..., :height, :width],
        "occlusion": prediction.occlusion,
        "blend": prediction.blend,
        "warped": prediction.warped,
    }
