"""MegaDepth."""

from __future__ import annotations

from typing import Any

from harness import Case, Results

from vsvfi.nets.megadepth.network import proximity

MODELS = {"depth_megadepth": "megadepth"}


def run(net: Any, case: Case) -> Results:
    out = net(case["image"])
    return {"out": out, "weight": proximity(out)}
