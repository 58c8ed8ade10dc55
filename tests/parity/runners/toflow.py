"""TOFlow."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

from vsvfi.nets.spynet.network import normalise

MODELS = {"toflow": "toflow"}


def run(network: Any, case: Case) -> Results:
    frame0, frame1 = normalise(case["frame0"]), normalise(case["frame1"])
    flow01, flow10 = network.spynet(frame0, frame1), network.spynet(frame1, frame0)
    return {"flow01": flow01, "out": network.synthesize(frame0, frame1, flow01, flow10)}
