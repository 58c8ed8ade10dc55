"""FlowFormer."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import recurrent_flow

MODELS = {"flow_flowformer": "flowformer"}


def run(net: Any, case: Case) -> Results:
    results, first, second = recurrent_flow(net, case)
    _, memory = net.cost_memory(first, second)
    return {**results, "context_quarter": first.quarter, "feat0": first.matching, "cost_memory": memory}
