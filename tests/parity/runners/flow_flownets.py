"""FlowNetS of MEMC-Net."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results
from steps import levels

from vsvfi.nets.flownets.network import estimate

MODELS = {"flow_flownets": "flownets"}


def run(net: Any, case: Case) -> Results:
    # The recorded flow leads half-way.
    out = estimate(net, case["frame0"], case["frame1"]) / 2
    return {"out": out, **levels(net(torch.cat((case["frame0"], case["frame1"]), 1)))}
