"""FlowNet2."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from torch import Tensor

from vsvfi.nets.flownet2 import network as flownet2

MODELS = {"flow_flownet2": "flownet2"}


def run(network: Any, case: Case) -> Results:
    flows: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=f"{name}_flow2": flows.update({name: output[0]})
        )
        for name in ("flownetc", "flownets_1", "flownets_2", "flownets_d")
    ]
    out = flownet2.estimate(network, case["first"] / 255, case["second"] / 255)
    for hook in hooks:
        hook.remove()
    return {"out": out, **flows}
