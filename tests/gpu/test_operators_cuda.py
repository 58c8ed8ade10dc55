"""tests/ops/test_operators.py on CUDA, and what only a GPU can show."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from vsvfi import ops

sys.path.append(str(Path(__file__).resolve().parents[1] / "ops"))

from catalogue import OPERATORS, Operator, Problem
from test_operators import *  # noqa: F403

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="session")  # type: ignore[no-redef]
def device() -> str:
    """CUDA, in the place of the imported tests' own device."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.id)
def test_cuda_equals_the_cpu(operator: Operator, device: str) -> None:
    inputs = operator.inputs(Problem(2, 9, 12, 70, 5.0, True), torch.float32)
    on_gpu = operator.run(*(tensor.to(device) for tensor in inputs))
    torch.testing.assert_close(on_gpu.cpu(), operator.run(*inputs), rtol=1e-4, atol=1e-4, equal_nan=True)


def test_deterministic_splatting_repeats_its_bits(device: str) -> None:
    image, flow = OPERATORS[0].inputs(Problem(1, 3, 200, 300, 60.0), torch.float32, device)
    results = [ops.forward_splat(image, flow, mode="average", deterministic=True) for _ in range(5)]
    assert all(torch.equal(result, results[0]) for result in results)


def test_runs_on_the_current_stream(device: str) -> None:
    image, flow = OPERATORS[0].inputs(Problem(1, 3, 64, 64), torch.float32, device)
    expected = ops.backward_warp(image * 2, flow)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(10_000_000)
        result = ops.backward_warp(image * 2, flow)
    stream.synchronize()
    assert torch.equal(result, expected)


def test_runs_on_every_device() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    inputs = OPERATORS[0].inputs(Problem(), torch.float32)
    results = [ops.backward_warp(*(t.to(f"cuda:{i}") for t in inputs)).cpu() for i in range(torch.cuda.device_count())]
    assert all(torch.equal(result, results[0]) for result in results)
