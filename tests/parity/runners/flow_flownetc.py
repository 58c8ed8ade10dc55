"""FlowNet2's FlowNetC."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

from vsvfi.nets.flownet2 import network as flownet2

MODELS = {"flow_flownetc": "flownet2-c"}


def run(network: Any, case: Case) -> Results:
    frame0, frame1 = case["first"] / 255, case["second"] / 255
    features1, features2 = (
        network.conv3(network.conv2(network.conv1(frame))) for frame in flownet2.normalise(frame0, frame1)
    )
    flows = network(*flownet2.normalise(frame0, frame1))
    return {
        "corr": network.matches(features1, features2)[:, ::40],
        "flow2": flows[0],
        "flow6": flows[-1],
        "out": flownet2.estimate(network, frame0, frame1),
    }
