"""fp32 means fp32, and running out of memory is recognised whoever says it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from vsvfi.engine.memory import is_out_of_memory
from vsvfi.engine.precision import exact_products, running_in


@pytest.fixture
def rounded() -> Iterator[None]:
    """TF32 is on, as other filters in the process may have it."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = True
    yield
    cudnn.allow_tf32, matmul.allow_tf32 = before


def allowed() -> bool:
    return torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32


def test_fp32_on_cuda_is_not_tf32(rounded: None) -> None:
    with running_in(torch.float32, torch.device("cuda")):
        assert not allowed()
    assert allowed()


def test_half_precision_leaves_the_switch_alone(rounded: None) -> None:
    with running_in(torch.bfloat16, torch.device("cpu")):
        assert allowed()
        assert torch.is_autocast_enabled("cpu")


def test_the_switch_stays_until_the_last_thread_is_out(rounded: None) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with exact_products():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with exact_products():
        thread.start()
        assert inside.wait(10)
    assert not allowed()
    leave.set()
    thread.join()
    assert allowed()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        MemoryError("vsvfi: not enough memory for forward_splat"),
    ],
    ids=str,
)
def test_out_of_memory_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: an illegal memory access was encountered"), ValueError("out of memory")]
)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert not is_out_of_memory(error)
