"""AMT."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import factor, outputs, pad_center

from vsvfi.nets.ifr import mean_of

MODELS = {"amt_s": "amt-s", "amt_l": "amt-l", "amt_g": "amt-g"}


def run(net: Any, case: Case) -> Results:
    scale = factor(case, "scale_factor")
    frame0, rows, columns = pad_center(case["frame0"], round(16 / scale))
    frame1, _, _ = pad_center(case["frame1"], round(16 / scale))
    pair = net.prepare(frame0, frame1, (mean_of(frame0) + mean_of(frame1)) / 2, scale)
    with outputs(net, "decoder4", "update4") as kept:
        fields = net.fields(pair, case["timestep"].reshape(1))
    return {
        "out": net.render(pair, fields)[..., rows, columns],
        "dec4_flow0": kept["decoder4"][0][:, :2],
        "upd4_dflow": kept["update4"][0][1],
        "flow0": fields.flows[0],
        "mask": fields.mask,
    }
