"""EMA-VFI."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import outputs
from torch.nn import functional as F

MODELS = {"ema_vfi": "ema-vfi", "ema_vfi_small": "ema-vfi-small"}


def run(network: Any, case: Case) -> Results:
    """Pad, run once or with test-time augmentation, crop; intermediates are those of the first pass."""
    height, width = case["frame0"].shape[2:]
    top, left = -height % 32 // 2, -width % 32 // 2
    padding = (left, -width % 32 - left, top, -height % 32 - top)
    frames = [F.pad(case[name], padding, mode="replicate") for name in ("frame0", "frame1")]
    scale, timestep = case.number("down_scale"), case["timestep"].reshape(1)
    with outputs(network, "backbone", "flow_heads.0", "flow_heads.1") as kept:
        out = network(*frames, timestep, scale)
    features = kept["backbone"][-1]
    if case.number("tta"):
        flipped = network(*(frame.flip(2, 3) for frame in frames), timestep, scale).flip(2, 3)
        out = (out + flipped) / 2
    flow, mask = kept["flow_heads.0"][0]
    return {
        "out": out[:, :, top : top + height, left : left + width],
        "motion5": features.motion[1],
        "appearance4": features.appearance[3][:1],
        "flow_s0": flow,
        "mask_s0": mask,
        "flow_s1": kept["flow_heads.1"][0][0],
    }
