"""Which exceptions say that a device has run out of memory."""

from __future__ import annotations

import torch

__all__ = ["is_out_of_memory"]

_SIGNS = (
    "out of memory",  # "CUDA error: out of memory", "CUDA_ERROR_OUT_OF_MEMORY: out of memory", MPS
    "allocate memory",  # torch on a CPU
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch, CUDA's libraries, CuPy or a kernel says that there is too little memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
