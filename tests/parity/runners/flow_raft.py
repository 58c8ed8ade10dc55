"""RAFT."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import recurrent_flow

MODELS = {"flow_raft": "raft"}


def run(net: Any, case: Case) -> Results:
    results, first, _ = recurrent_flow(net, case)
    return {**results, "context_quarter": first.quarter[:, :24], "fmap0": first.matching[:, :64]}
