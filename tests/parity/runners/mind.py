"""MIND."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

MODELS = {"mind": "mind"}


def run(network: Any, case: Case) -> Results:
    features = network.prepare(case["frame0"], case["frame1"])
    return {"enc5_first8": features[-1][:, :8], "output": network.synthesize(*features)}
