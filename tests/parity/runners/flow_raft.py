"""RAFT."""

from __future__ import annotations

from harness import Case, Results
from steps import recurrent_flow
from torch import nn

MODELS = {"flow_raft": "raft"}


def run(net: nn.Module, case: Case) -> Results:
    results, first, _ = recurrent_flow(net, case)
    return {**results, "context_quarter": first.quarter[:, :24], "fmap0": first.matching[:, :64]}
