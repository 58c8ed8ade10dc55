"""GIMM-VFI."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from steps import factor, pad_center

MODELS = {"gimmvfi_r": "gimm-vfi-r", "gimmvfi_f": "gimm-vfi-f"}


def run(net: Any, case: Case) -> Results:
    scale = factor(case, "ds_factor") if "ds_factor" in case else 1.0
    img0, rows, columns = pad_center(case["img0"], 32)
    img1, _, _ = pad_center(case["img1"], 32)
    pair = net.prepare(net.encode(img0, scale), net.encode(img1, scale))
    batch = len(img0)
    found = [net.synthesize(pair, t.expand(batch) if t.ndim == 0 else t) for t in case["t"]]
    return {
        "imgt": torch.stack([new.frames[..., rows, columns] for new in found]),
        "flow01": pair.motion.flows[0],
        "flow10": pair.motion.flows[1],
        "flowt": torch.stack([new.motion for new in found]),
        "flowt0_quarter": torch.stack([new.quarter[0] for new in found]),
        "flowt1_quarter": torch.stack([new.quarter[1] for new in found]),
    }
