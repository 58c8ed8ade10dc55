"""Every operator's kernels against its torch reference, on the device of the ``device`` fixture."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

import pytest
import torch
from catalogue import (
    OPERATORS,
    Operator,
    Problem,
    adacof_inputs,
    image_and_flow,
    problems,
    separable_inputs,
    with_kernels,
)
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from vsvfi import ops

operators = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.id)
quick = settings(
    max_examples=int(os.environ.get("VSVFI_EXAMPLES", "5")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="session")
def device() -> str:
    """The device of this run; tests/gpu runs the same tests on CUDA."""
    return "cpu"


def gradients(output: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.autograd.grad(output, inputs, weights.to(output), allow_unused=True, materialize_grads=True)


def assert_close(ours: Tensor, reference: Tensor, tolerance: float) -> None:
    """Equal up to rounding, relative to the largest finite value; the same values are not finite."""
    finite = reference[reference.isfinite()]
    scale = 1 + (finite.abs().max().item() if finite.numel() else 0)
    torch.testing.assert_close(ours, reference, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


@operators
@quick
@given(problem=problems)
def test_output_is_that_of_the_reference(operator: Operator, device: str, problem: Problem) -> None:
    inputs = operator.inputs(problem, torch.float32, device)
    assert_close(operator.run(*inputs), operator.reference(*inputs), 2e-5)


@operators
@quick
@given(problem=problems)
def test_gradients_are_those_of_the_reference(operator: Operator, device: str, problem: Problem) -> None:
    inputs = [tensor.requires_grad_() for tensor in operator.inputs(problem, torch.float64, device)]
    output, expected = operator.run(*inputs), operator.reference(*inputs)
    assert_close(output, expected, 1e-12)
    for ours, reference in zip(gradients(output, inputs), gradients(expected, inputs), strict=True):
        assert_close(ours, reference, 1e-9)


@operators
def test_gradients_are_derivatives(operator: Operator, device: str) -> None:
    inputs = operator.inputs(Problem(1, 2, 3, 4, scale=1.4, seed=3), torch.float64, device)
    if operator.id.startswith("flow_projection") or operator.id.startswith("depth_flow"):
        pytest.skip("its targets jump with the flow: the reference's derivative is tested instead")
    inputs = [tensor.requires_grad_() for tensor in inputs]
    if operator.id.startswith("adaptive_warp"):
        # Pixels that leave the image are copies without a gradient, by the published kernel's convention.
        flow = torch.full_like(inputs[1], 0.3)
        flow[:, 0, :, -1] = flow[:, 1, -1] = -0.3
        inputs[1] = flow.requires_grad_()
    assert torch.autograd.gradcheck(operator.run, inputs, eps=1e-7, atol=1e-5, nondet_tol=1e-9)


@pytest.mark.parametrize("operator", [op for op in OPERATORS if op.linear is not None], ids=lambda op: op.id)
@quick
@given(problem=problems)
def test_backward_is_the_transpose(operator: Operator, device: str, problem: Problem) -> None:
    """For an operator A that is linear in one input, <A x, y> = <x, A' y> for the backward pass A'."""
    inputs = operator.inputs(problem, torch.float64, device)
    if operator.id.startswith("adaptive_warp"):
        inputs[1] = torch.zeros_like(inputs[1])  # Copied pixels pass no gradient, see the operator.
        inputs[1][:, :, : problem.height // 2, : problem.width // 2] = 0.25
    assert operator.linear is not None
    x = inputs[operator.linear].requires_grad_()
    output = operator.run(*inputs)
    y = torch.randn(output.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(device)
    (transposed,) = torch.autograd.grad(output, x, y)
    torch.testing.assert_close((output * y).sum(), (x * transposed).sum(), rtol=1e-9, atol=1e-8)


@quick
@given(problem=problems)
def test_no_motion_is_the_identity(device: str, problem: Problem) -> None:
    image, flow = (tensor.to(device) for tensor in image_and_flow(problem, torch.float32))
    still, batch, size = torch.zeros_like(flow), problem.batch, image.shape[2:]
    for mode in ("bilinear", "bicubic"):
        for border in ("replicate", "zeros"):
            assert_close(ops.backward_warp(image, still, mode=mode, border=border), image, 1e-6)
    modes: tuple[Literal["sum", "average", "linear", "softmax"], ...] = ("sum", "average", "linear", "softmax")
    for mode in modes:
        metric = torch.full_like(still[:, :1], 0.5) if mode in ("linear", "softmax") else None
        assert_close(ops.forward_splat(image, still, mode=mode, metric=metric), image, 1e-6)
    taps = torch.arange(16, device=device).view(1, 16, 1, 1).expand(batch, 16, *size)
    assert_close(ops.adaptive_warp(image, still, (taps == 5).float()), image, 1e-6)
    assert_close(ops.adacof(image, torch.ones_like(still[:, :1]), still[:, :1], still[:, :1]), image, 1e-6)
    assert_close(ops.voxel_sample(image, image, still, torch.full_like(still[:, :1], 0.3)), image, 1e-6)
    assert_close(ops.flow_projection(still).flow, still, 0)


@quick
@given(problem=problems)
def test_constants_stay_constant(device: str, problem: Problem) -> None:
    """Weights that sum to 1 keep doing so wherever the samples lie: far outside, nowhere, at infinity."""
    flow = image_and_flow(problem, torch.float32)[1].to(device)
    image = torch.full((problem.batch, 2, *flow.shape[2:]), 0.7, device=device)
    for mode in ("bilinear", "bicubic"):
        for aligned in (True, False):
            assert_close(ops.backward_warp(image, flow, mode=mode, align_corners=aligned), image, 1e-5)
    arrived = ops.forward_splat(torch.ones_like(flow[:, :1]), flow)
    mean = ops.forward_splat(image, flow, mode="average", epsilon="zero")
    assert_close(mean, torch.where(arrived > 0, image, 0), 1e-5)
    # The taps of each quadrant of the adaptive window sum to 1.
    quadrants = with_kernels(4)(problem, torch.float32)[2].to(device).exp().unflatten(1, (2, 2, 2, 2))
    kernels = (quadrants / quadrants.sum((2, 4), keepdim=True)).flatten(1, 4)
    assert_close(ops.adaptive_warp(image, flow, kernels), image, 1e-5)
    padded, weight, *offsets = (tensor.to(device) for tensor in adacof_inputs(3, 2)(problem, torch.float32))
    assert_close(
        ops.adacof(torch.full_like(padded, 0.7), weight.softmax(1), *offsets, dilation=2)[:, :1], image[:, :1], 1e-4
    )
    padded, *pair = (tensor.to(device) for tensor in separable_inputs(5, 3)(problem, torch.float32))
    same = ops.separable_conv(torch.full_like(padded, 0.7), *(taps.softmax(1) for taps in pair))
    assert_close(same[:, :1], image[:, :1], 1e-5)


@operators
def test_layout_in_memory_does_not_matter(operator: Operator, device: str) -> None:
    inputs = operator.inputs(Problem(seed=5), torch.float32, device)
    expected = operator.run(*inputs)
    channels_last = [tensor.contiguous(memory_format=torch.channels_last) for tensor in inputs]
    strided = [torch.stack((tensor, tensor), -1)[..., 1] for tensor in inputs]
    torch.testing.assert_close(operator.run(*channels_last), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(operator.run(*strided), expected, rtol=0, atol=1e-6)


@operators
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
def test_half_precision_keeps_coordinates(operator: Operator, device: str, dtype: torch.dtype) -> None:
    """Images may be half; flows stay in float32, and so do sums."""
    inputs = operator.inputs(Problem(1, 3, 6, 40, scale=4.0, seed=9), torch.float32, device)
    if operator.id.startswith(("flow_projection", "depth_flow", "correlation_lookup")):
        pytest.skip("it has no image")
    halves = [tensor.to(dtype) if i == 0 else tensor for i, tensor in enumerate(inputs)]
    if operator.id.startswith(("correlation-", "bilateral")):
        halves[1] = inputs[1].to(dtype)
    output = operator.run(*halves)
    assert output.dtype == dtype
    reference = operator.reference(*(tensor.float() for tensor in halves))
    step = 2e-3 if dtype == torch.float16 else 1.6e-2
    assert_close(output.float(), reference, step)


@operators
def test_batches_are_independent(operator: Operator, device: str) -> None:
    inputs = operator.inputs(Problem(batch=2, seed=11), torch.float32, device)
    per_sample = [tensor.shape[0] == 2 for tensor in inputs]
    whole = operator.run(*inputs)
    for sample in range(2):
        parts = [
            tensor[sample : sample + 1] if split else tensor for tensor, split in zip(inputs, per_sample, strict=True)
        ]
        torch.testing.assert_close(operator.run(*parts), whole[sample : sample + 1], rtol=0, atol=1e-6)


@operators
def test_every_argument_is_checked(operator: Operator, device: str) -> None:
    name = operator.id.split("-")[0]
    inputs = operator.inputs(Problem(), torch.float32, device)
    for i, tensor in enumerate(inputs):
        others = inputs[:i], inputs[i + 1 :]
        with pytest.raises(TypeError, match=f"^{name}: .* floating-point type, got torch.int32"):
            operator.run(*others[0], tensor.int(), *others[1])
        with pytest.raises(ValueError, match=rf"^{name}: .* must have the shape \(.*\), got \("):
            operator.run(*others[0], tensor[..., None], *others[1])
        if len(inputs) > 1:
            with pytest.raises(ValueError, match=f"^{name}: .* is on .*; move them to one device"):
                operator.run(*others[0], tensor.to("meta"), *others[1])


@operators
def test_flows_of_any_type_are_taken(operator: Operator, device: str) -> None:
    """All but the first tensor may be half or double: what counts is their value."""
    inputs = [tensor.half() for tensor in operator.inputs(Problem(1, 3, 6, 40), torch.float32, device)]
    first, *rest = [tensor.float() for tensor in inputs]
    expected = operator.run(first, *rest)
    for dtype in (torch.float16, torch.float64):
        output = operator.run(first, *(tensor.to(dtype) for tensor in rest))
        assert output.dtype == first.dtype
        assert_close(output, expected, 1e-5)


@operators
@pytest.mark.parametrize("empty", ["channels", "height", "width"])
def test_nothing_gives_nothing_or_an_error(operator: Operator, device: str, empty: str) -> None:
    sizes: dict[str, Any] = {empty: 0}
    inputs = operator.inputs(dataclasses.replace(Problem(), **sizes), torch.float32, device)
    try:
        output = operator.run(*(tensor.requires_grad_() for tensor in inputs))
    except ValueError as error:
        assert str(error).startswith(operator.id.split("-")[0])  # noqa: PT017
    else:
        assert_close(output, operator.reference(*inputs), 2e-5)
        output.sum().backward()


@operators
def test_no_samples_give_no_samples(operator: Operator, device: str) -> None:
    inputs = operator.inputs(Problem(batch=2), torch.float32, device)
    empty = [tensor[:0] if tensor.shape[0] == 2 else tensor for tensor in inputs]
    output = operator.run(*(tensor.requires_grad_() for tensor in empty))
    assert output.shape == (0, *operator.run(*inputs).shape[1:])
    output.sum().backward()
