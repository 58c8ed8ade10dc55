"""SPyNet."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from torch import Tensor

from vsvfi.nets.spynet.network import normalise

MODELS = {"flow_spynet": "spynet"}


def run(network: Any, case: Case) -> Results:
    deltas: dict[str, Tensor] = {}
    hooks = [
        network.levels[level].register_forward_hook(
            lambda _module, _inputs, output, name=f"level{level}_delta": deltas.update({name: output})
        )
        for level in (0, 1)
    ]
    flow = network(normalise(case["first"]), normalise(case["second"]))
    for hook in hooks:
        hook.remove()
    return {"out": flow, **deltas}
