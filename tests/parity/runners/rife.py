"""RIFE: the package in plugins/vsvfi-rife."""

from __future__ import annotations

import re
from typing import Any

from harness import Case, Results
from torch.nn import functional as F
from vsvfi_rife.versions import ARCHITECTURES, model_name

from vsvfi.nets.ifnet.network import Estimate

MODELS = {
    f"rife_{version.replace('.', '_')}": model_name(version) for versions in ARCHITECTURES for version in versions
}


def run(network: Any, case: Case) -> Results:
    """Pad with zeros at the right and at the bottom, run, crop; intermediates are those of the first passes."""
    scale, ensemble = case.number("scale"), "ensemble" in case and case.number("ensemble") != 0
    coarsest = int(re.findall(r"\d+", case.spec["pad_to"])[0])
    multiple = max(coarsest, int(coarsest / scale))
    height, width = case["frame0"].shape[2:]
    frames = [F.pad(case[name], (0, -width % multiple, 0, -height % multiple)) for name in ("frame0", "frame1")]
    calls: list[list[Estimate]] = [[] for _ in network.blocks]
    hooks = [
        block.register_forward_hook(lambda _module, _inputs, output, kept=kept: kept.append(output))
        for block, kept in zip(network.blocks, calls, strict=True)
    ]
    out = network(*frames, case["timestep"].reshape(1), flow_scale=scale, ensemble=ensemble)
    for hook in hooks:
        hook.remove()
    first = calls[0][0]
    results = {
        "out": out[:, :, :height, :width],
        "mask_b0": first.mask,
        "flow_b0": first.flow,
        "head_frame0": network.encode(frames[0]),
        f"dflow_b{len(calls) - 1}": calls[-1][0].flow,
    }
    if "flow_b0" in case:
        # Some folders record both directions, others only the one towards the first frame.
        results["flow_b0"] = first.flow[:, : case["flow_b0"].shape[1]]
    return results
