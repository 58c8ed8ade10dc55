"""The operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from harness import Case, OperatorRunner
from torch import Tensor

from vsvfi import ops

RUNNERS: dict[str, OperatorRunner] = {}
"""Folder name -> how the operator is called on a case; gradients are returned as ``grad_<input>``."""


def operator(folder: str) -> Callable[[OperatorRunner], OperatorRunner]:
    """Register the function below as the runner of ``folder``."""

    def register(run: OperatorRunner) -> OperatorRunner:
        RUNNERS[folder] = run
        return run

    return register


def differentiate(
    output: Tensor, inputs: Mapping[str, Tensor], grad_output: Tensor, suffix: str = ""
) -> dict[str, Tensor]:
    """The gradients of ``sum(output * grad_output)`` by the recorded names; 0 for an input that is a constant."""
    gradients = torch.autograd.grad(
        output, list(inputs.values()), grad_output, retain_graph=True, materialize_grads=True, allow_unused=True
    )
    return {f"grad_{name}{suffix}": gradient for name, gradient in zip(inputs, gradients, strict=True)}


def run(case: Case, names: list[str], operator: Callable[..., Tensor], output: str = "out") -> dict[str, Tensor]:
    """An operator's output and the gradients to the inputs ``names``."""
    inputs = {name: case[name].requires_grad_() for name in names}
    result = operator(*inputs.values())
    return {output: result, **differentiate(result, inputs, case["grad_output"])}


@operator("op_backwarp_border")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["img", "flow"], ops.backward_warp)


@operator("op_resample2d")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["image", "flow"], ops.backward_warp)


@operator("op_adaptive_warp")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["image", "flow", "filter"], ops.adaptive_warp)


@operator("op_flow_projection")
def _(case: Case) -> dict[str, Tensor]:
    flow = case["flow"].requires_grad_()
    unfilled, count = ops.flow_projection(flow, fill_holes=False)
    filled = ops.flow_projection(flow)
    return {
        "count": count,
        "out_nofill": unfilled,
        "out_fill": filled.flow,
        "out_fill_memc": ops.flow_projection(flow, look_below=False).flow,
        **differentiate(filled.flow, {"flow": flow}, case["grad_output"]),
    }


@operator("op_depth_flow_projection")
def _(case: Case) -> dict[str, Tensor]:
    flow, weight = case["flow"].requires_grad_(), case["weight"].requires_grad_()
    unfilled, count = ops.depth_flow_projection(flow, weight, fill_holes=False)
    gradients = differentiate(unfilled, {"flow": flow, "weight_exact": weight}, case["grad_output"])
    filled = ops.depth_flow_projection(flow, weight).flow
    return {"count": count, "out_nofill": unfilled, "out_fill": filled, **gradients}


@operator("op_softsplat")
def _(case: Case) -> dict[str, Tensor]:
    results = {}
    for name in sorted(name.removeprefix("out_") for name in case.arrays if name.startswith("out_")):
        base, _, epsilon = name.partition("-")
        mode: Any = {"avg": "average"}.get(base, base)
        inputs = {"in": case["in"].requires_grad_(), "flow": case["flow"].requires_grad_()}
        if mode in ("linear", "softmax"):
            inputs["metric"] = case[f"metric_{mode}"].requires_grad_()
        added: Any = epsilon.removesuffix("eps") or "add"
        output = ops.forward_splat(inputs["in"], inputs["flow"], mode=mode, metric=inputs.get("metric"), epsilon=added)
        results[f"out_{name}"] = output
        results |= differentiate(output, inputs, case["grad_output"], f"_{name}")
    return results


@operator("op_adacof")
def _(case: Case) -> dict[str, Tensor]:
    def adacof(image: Tensor, *rest: Tensor) -> Tensor:
        # The reference has no gradient to the image: its networks warp frames, which are constants.
        return ops.adacof(image.detach(), *rest, dilation=int(case.number("dilation")))

    return run(case, ["input", "weight", "offset_i", "offset_j"], adacof, "output")


@operator("op_sepconv")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["input", "vertical", "horizontal"], ops.separable_conv, "output")


@operator("op_correlation")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["input1", "input2"], ops.correlation)


@operator("op_flownet2_correlation")
def _(case: Case) -> dict[str, Tensor]:
    sizes = {"radius": "max_displacement", "stride": "stride2", "padding": "pad_size"}
    arguments = {ours: int(case.number(theirs)) for ours, theirs in sizes.items()}
    return run(case, ["input1", "input2"], lambda a, b: ops.correlation(a, b, **arguments))


@operator("op_bilateral_cost_volume")
def _(case: Case) -> dict[str, Tensor]:
    arguments: dict[str, Any] = {"timestep": case.number("timestep"), "radius": int(case.number("md"))}
    names = ["feature1", "feature2", "motion"]
    return run(case, names, lambda *inputs: ops.bilateral_cost_volume(*inputs, **arguments))


@operator("op_channelnorm")
def _(case: Case) -> dict[str, Tensor]:
    return run(case, ["input"], ops.channel_norm)


@operator("op_deform_conv")
def _(case: Case) -> dict[str, Tensor]:
    arguments: dict[str, Any] = {name: int(case.number(name)) for name in ("stride", "padding", "dilation")}
    names = ["input", "offset", "mask", "weight", "bias"]
    return run(case, names, lambda *inputs: ops.deform_conv2d(*inputs, **arguments), "output")


@operator("op_corr_lookup")
def _(case: Case) -> dict[str, Tensor]:
    def lookup(first: Tensor, second: Tensor, coords: Tensor) -> Tensor:
        return ops.correlation_lookup(ops.all_pairs_correlation(first, second), coords)

    return run(case, ["fmap0", "fmap1", "coords0"], lookup)


@operator("op_corr_bidir")
def _(case: Case) -> dict[str, Tensor]:
    inputs = {name: case[name].requires_grad_() for name in ("fmap0", "fmap1", "coords0", "coords1")}
    first, second = inputs["fmap0"], inputs["fmap1"]
    out0 = ops.correlation_lookup(ops.all_pairs_correlation(first, second), inputs["coords0"])
    out1 = ops.correlation_lookup(ops.all_pairs_correlation(second, first), inputs["coords1"])
    total = (out0 * case["grad_output0"]).sum() + (out1 * case["grad_output1"]).sum()
    return {"out0": out0, "out1": out1, **differentiate(total, inputs, torch.ones(()))}
