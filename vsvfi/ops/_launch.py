"""Runs a compiled kernel on the device where its tensors are: the CPU through ctypes, CUDA through CuPy.

A kernel is named as in kernels/*.h. Its arguments are packed as 8-byte words, tensors as the address of their data;
both devices take the same words.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vsvfi.compiled import library

__all__ = ["Extent", "has_kernels", "launch", "storage"]

_CUDA_HEADER = "ops/launch.h"
_INCLUDE = re.compile(r'^\s*#include "(.+)"', re.MULTILINE)

MAX_INDEX = 2**31 - 1
THREADS = 256

CUDA_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.float16: "vsvfi::Half",
    torch.bfloat16: "vsvfi::BFloat16",
}


class Extent(NamedTuple):
    """The size of a kernel's problem: its pixels, and for a kernel that scatters the rows of its target."""

    batch: int
    height: int
    width: int
    target_height: int = 0


def has_kernels(*tensors: Tensor | None) -> bool:
    """Whether compiled kernels can run on these tensors; where a device has none, says once how to get them."""
    given = [tensor for tensor in tensors if tensor is not None]
    return _ready(given[0].device.type) and all(tensor.dtype in CUDA_TYPES and _fits(tensor) for tensor in given)


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
    if device in ("cpu", "meta"):
        return library.problem()
    if device == "cuda":
        try:
            import cupy  # noqa: F401
        except ImportError as error:
            return f"CuPy cannot be imported ({error}); install vsvfi[cuda] (or vsvfi[cuda12] with CUDA 12)"
        return None
    return f"there are none for {device}"


@cache
def _advise(device: str, reason: str) -> None:
    warnings.warn(
        f"vsvfi: no compiled kernels on {device}, slower plain torch runs instead: {reason}",
        RuntimeWarning,
        stacklevel=5,
    )


def launch(
    kernel: str, extent: Extent, *arguments: Tensor | float | None, dtype: torch.dtype, variant: int = 0
) -> None:
    """Run ``kernel`` for storage type ``dtype``.

    Every tensor must be contiguous and on one device, of the type that the kernel's source names. On a CPU only float32
    and float64 have kernels.
    """
    if 0 in extent[:3]:
        return
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
    assert all(tensor.is_contiguous() for tensor in tensors), kernel
    words = np.array([_word(argument) for argument in arguments], np.int64)
    if tensors[0].device.type == "cuda":
        _launch_cuda(kernel, extent, words, tensors[0].device, dtype, variant)
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


def _launch_cuda(
    kernel: str, extent: Extent, words: Any, device: torch.device, dtype: torch.dtype, variant: int
) -> None:
    import cupy

    with torch.cuda.device(device), cupy.cuda.Device(device.index):
        function = _cuda_function(kernel, CUDA_TYPES[dtype], variant, device.index)
        stream = cupy.cuda.ExternalStream(torch.cuda.current_stream(device).cuda_stream, device.index)
        pixels = extent.batch * extent.height * extent.width
        sizes = np.array(extent, np.int64)
        # CuPy passes an array of one structured element as a struct, by value.
        structs = tuple(array.view(f"V{array.nbytes}").reshape(()) for array in (words, sizes))
        with stream:
            function((-(-pixels // THREADS),), (THREADS,), structs)


@cache
def _cuda_function(kernel: str, storage: str, variant: int, device: int) -> Any:
    del device  # Part of the key: a function belongs to one device's context.
    import cupy

    name = cuda_name(kernel, storage, variant)
    module = cupy.RawModule(code=cuda_source(), options=cuda_options(), name_expressions=[name])
    return module.get_function(name)


@cache
def cuda_source() -> str:
    """What NVRTC compiles. CuPy's cache on disk does not look into headers, so that their digest is part of it."""
    return f'#include "{_CUDA_HEADER}"  // {cuda_digest(library.kernel_sources())}\n'


def cuda_digest(sources: Path) -> str:
    """A digest of the headers that CUDA kernels include, directly or not: other headers leave compiled kernels valid.

    Args:
        sources: the folder that includes are relative to.
    """
    digest = hashlib.sha256()
    for header in sorted(_included(sources, _CUDA_HEADER)):
        digest.update((sources / header).read_bytes())
    return digest.hexdigest()


def _included(sources: Path, header: str) -> set[str]:
    """A header and all that it includes in quotes."""
    found: set[str] = set()
    wanted = {header}
    while wanted:
        name = wanted.pop()
        found.add(name)
        wanted |= set(_INCLUDE.findall((sources / name).read_text())) - found
    return found


def cuda_options() -> tuple[str, ...]:
    """Options for NVRTC. No contraction to fused multiply-adds: a position must fall on the CPU's side of a pixel."""
    return ("-std=c++17", "--fmad=false", f"-I{library.kernel_sources()}")


def cuda_name(kernel: str, storage: str, variant: int) -> str:
    """The kernel's instance as NVRTC is asked for it; ``backward_warp`` is the struct ``BackwardWarp``."""
    struct = "".join(word.capitalize() for word in kernel.split("_"))
    return f"vsvfi::launch<vsvfi::{struct}<{storage}, {variant}>>"
