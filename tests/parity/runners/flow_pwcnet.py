"""PWC-Net."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import levels
from torch.nn import functional

MODELS = {"flow_pwcnet": "pwcnet"}


def run(net: Any, case: Case) -> Results:
    # As DAIN calls it: on RGB, where `vsvfi.flow` gives the stand-alone weights the BGR that they were trained on.
    flows = net(case["frame0"], case["frame1"])
    out = functional.interpolate(20 * flows[0], scale_factor=4, mode="bilinear", align_corners=False)
    return {"out": out, **levels(flows)}
