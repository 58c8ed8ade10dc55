"""FlowNet2's FlowNetS."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Results

from vsvfi.nets.flownet2 import network as flownet2

MODELS = {"flow_flownet2_s": "flownet2-s"}


def run(network: Any, case: Case) -> Results:
    frame0, frame1 = case["first"] / 255, case["second"] / 255
    flows = network(torch.cat(flownet2.normalise(frame0, frame1), 1))
    return {"flow2": flows[0], "flow6": flows[-1], "out": flownet2.estimate(network, frame0, frame1)}
