"""Runs a compiled kernel on the device where its tensors are: the CPU through ctypes, CUDA through CuPy.

A kernel is named as in kernels/*.h. Its arguments are packed as 8-byte words, tensors as the address of their data;
both devices take the same words.
"""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vsvfi.compiled import library
from vsvfi.compiled.stages import is_enabled
from vsvfi.ops import _cuda

__all__ = ["Extent", "has_kernels", "kernels_run_on", "launch", "storage"]

MAX_INDEX = 2**31 - 1


class Extent(NamedTuple):
    """The size of a kernel's problem: its pixels, and for a kernel that scatters the rows of its target."""

    batch: int
    height: int
    width: int
    target_height: int = 0


def has_kernels(*tensors: Tensor | None) -> bool:
    """Whether compiled kernels can run on these tensors; where a device has none, says once how to get them."""
    given = [tensor for tensor in tensors if tensor is not None]
    known = all(tensor.dtype in _cuda.STORAGE_TYPES and _fits(tensor) for tensor in given)
    return kernels_run_on(given[0].device) and known


def kernels_run_on(device: torch.device) -> bool:
    """Whether a device has compiled kernels; where it has none, says once how to get them."""
    return _ready(str(device))


def _ready(device: str) -> bool:
    """Whether a device has kernels: a constant to torch.compile, which cannot trace how they are found."""
    reason = _missing(device)
    if reason is not None:
        _advise(device, reason)
    return reason is None


# What torch.compiler.assume_constant_result does, which imports torch._dynamo: seconds at every start.
_ready._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _fits(tensor: Tensor) -> bool:
    """Whether the kernels' 32-bit indices reach: they count pixels of a plane, and rows of all samples."""
    return tensor.shape[-2] * tensor.shape[-1] <= MAX_INDEX and tensor.shape[0] * tensor.shape[-2] <= MAX_INDEX


def storage(image: Tensor, *others: Tensor) -> torch.dtype:
    """The type in which kernels take images and what is stored like them.

    float64 for a float64 image alone, for which coordinates and sums are float64 too; otherwise the common type, or
    float32 where there is none, and on a CPU.
    """
    if image.dtype == torch.float64:
        return torch.float64
    common = all(other.dtype == image.dtype for other in others)
    return image.dtype if common and image.device.type != "cpu" else torch.float32


@cache
def _missing(device: str) -> str | None:
    """Why a device has no kernels; None where it has."""
    if not is_enabled("kernels"):
        return "VSVFI_DISABLE names them"
    kind, _, index = device.partition(":")
    if kind in ("cpu", "meta"):
        return library.problem()
    if kind == "cuda":
        return _cuda.problem(int(index or 0))
    return f"there are none for {device}"


@cache
def _advise(device: str, reason: str) -> None:
    warnings.warn(
        f"vsvfi: no compiled kernels on {device}, slower plain torch runs instead: {reason}",
        RuntimeWarning,
        stacklevel=5,
    )


def launch(
    kernel: str,
    extent: Extent,
    *arguments: Tensor | float | None,
    dtype: torch.dtype,
    variant: int = 0,
    strided: bool = False,
) -> None:
    """Run ``kernel`` for storage type ``dtype``.

    Every tensor must be on one device, of the type that the kernel's source names, and contiguous, unless the kernel is
    told its strides (``strided``). On a CPU only float32 and float64 have kernels.
    """
    if 0 in extent[:3]:
        return
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
    assert strided or all(tensor.is_contiguous() for tensor in tensors), kernel
    words = np.array([_word(argument) for argument in arguments], np.int64)
    if tensors[0].device.type == "cuda":
        _cuda.launch(kernel, extent, words, tensors[0].device, dtype, variant)
        return
    function = _cpu_function(kernel)
    status = function(words.ctypes.data, *extent, variant, int(dtype == torch.float64))
    if status == 1:
        raise MemoryError(f"vsvfi: not enough memory for {kernel}")
    assert status == 0, f"{kernel} has no variant {variant}"


def _word(argument: Tensor | float | None) -> int:
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    if isinstance(argument, float):
        return int(np.float64(argument).view(np.int64))
    return 0 if argument is None else int(argument)


@cache
def _cpu_function(kernel: str) -> Any:
    kernels = library.load()
    assert kernels is not None
    function = getattr(kernels, f"vsvfi_{kernel}")
    function.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_int, ctypes.c_int]
    function.restype = ctypes.c_int
    return function
