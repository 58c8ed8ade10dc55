"""UPR-Net."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import outputs, pad_end

from vsvfi.nets.geometry import resize_to
from vsvfi.ops import forward_splat

MODELS = {"upr_base": "upr-base", "upr_large": "upr-large", "upr_llarge": "upr-llarge"}


def run(network: Any, case: Case) -> Results:
    height, width = case["frame0"].shape[-2:]
    levels, skipped = int(case.number("pyr_level")), int(case.number("nr_lvl_skipped"))
    # The authors' scripts pad with grey.
    frame0, frame1 = (pad_end(case[name], 2 ** (levels + 1), "constant", 0.5) for name in ("frame0", "frame1"))
    t = case["timestep"].reshape(1)
    with outputs(network, "motion.flow", "synthesis", "synthesis.pred") as kept:
        first, second = (network.encode(frame, levels, skipped) for frame in (frame0, frame1))
        state = network.prepare(first, second)
        out = network.synthesize(state, t)
    flow = state.levels[-1].flows[0]
    results = {
        "out": out[..., :height, :width],
        "bi_flow": flow[..., :height, :width],
        "feat0_c2": first.features[-1][2],
        "me_flow_coarse": kept["motion.flow"][0],
        "me_flow_fine": kept["motion.flow"][-1],
        "warped0": forward_splat(frame0, t * flow[:, :2], mode="average", epsilon="zero"),
        "pred": kept["synthesis.pred"][-1],
        "interp_coarse": kept["synthesis"][0],
    }
    if len(state.levels) > 1:
        before = kept["synthesis"][-2]
        results |= {"interp_prev": before, "last_interp": resize_to(before, (frame0.shape[-2], frame0.shape[-1]))}
    return results
