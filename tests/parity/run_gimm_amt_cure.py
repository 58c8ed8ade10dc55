"""GIMM-VFI and the flow estimators under it, AMT, CURE."""

from __future__ import annotations

import harness
from harness import Case, Results
from torch import Tensor, nn

from vsvfi.nets.raft.network import FrameFeatures


def _estimator(net: nn.Module, case: Case) -> tuple[dict[str, Tensor], FrameFeatures, FrameFeatures]:
    first, second = net.encode(case["img0"] / 255), net.encode(case["img1"] / 255)
    initial = case["flow_init"] if "flow_init" in case else None  # noqa: SIM401
    flow_up, flow_low = net.flow(first, second, iterations=int(case.number("iters")), initial=initial)
    results = {"flow_up": flow_up, "flow_low": flow_low, "context_eighth": first.eighth}
    return results, first, second


@harness.network("flow_raft", "raft")
def _raft(net: nn.Module, case: Case) -> Results:
    results, first, _ = _estimator(net, case)
    return {**results, "context_quarter": first.quarter[:, :24], "fmap0": first.matching[:, :64]}


@harness.network("flow_flowformer", "flowformer")
def _flowformer(net: nn.Module, case: Case) -> Results:
    results, first, second = _estimator(net, case)
    _, memory = net.cost_memory(first, second)
    return {**results, "context_quarter": first.quarter, "feat0": first.matching, "cost_memory": memory}
