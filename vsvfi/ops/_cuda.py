"""Compiles and runs kernels on NVIDIA GPUs: NVRTC and launches through CuPy, on torch's current stream."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vsvfi.compiled import library

__all__ = ["STORAGE_TYPES", "digest", "launch", "name_of", "options", "problem", "source"]

_HEADER = "ops/launch.h"
_INCLUDE = re.compile(r'^\s*#include "(.+)"', re.MULTILINE)

THREADS = 128
"""Most threads of a block, along a row."""

WARP = 32
MAX_ROWS = 65535
"""The largest second extent of a grid; launch.h strides over further rows."""

STORAGE_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.float16: "vsvfi::Half",
    torch.bfloat16: "vsvfi::BFloat16",
}


@cache
def problem(index: int) -> str | None:
    """Why kernels cannot run on a device, found by running one there; None where they can."""
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); install vsvfi[cuda] (or vsvfi[cuda12] with CUDA 12)"
    try:
        _try(torch.device("cuda", index))
    except Exception as error:  # a driver that is too old, CuPy for another CUDA, no compiler: any of its exceptions
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return f"a trial kernel failed ({text}); CuPy must fit torch's CUDA {torch.version.cuda}"
    return None


def _try(device: torch.device) -> None:
    """Run a kernel: a warp of one pixel by nothing.

    Raises:
        Exception: whatever CuPy or CUDA raises.
        RuntimeError: the result is wrong.
    """
    image, flow = torch.full((1, 1, 1, 1), 0.5, device=device), torch.zeros(1, 2, 1, 1, device=device)
    output = torch.zeros_like(image)
    words = [image.data_ptr(), flow.data_ptr(), 0, output.data_ptr(), 1, 1, 1, 1, 1, 0, 1]
    launch("backward_warp", (1, 1, 1, 0), np.array(words, np.int64), device, torch.float32, 2)
    if output.item() != 0.5:
        raise RuntimeError(f"it gave {output.item()} instead of 0.5")


class _Stream(NamedTuple):
    """A torch stream by CUDA's stream protocol, which CuPy 14 takes."""

    address: int

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address


@cache
def _stream(address: int, index: int) -> Any:
    import cupy

    if hasattr(cupy.cuda.Stream, "from_external"):
        return cupy.cuda.Stream.from_external(_Stream(address))
    return cupy.cuda.ExternalStream(address, index)


@contextlib.contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """Torch's device and stream as CuPy's, and nothing on any other device."""
    import cupy

    stream = _stream(torch.cuda.current_stream(device).cuda_stream, device.index)
    with torch.cuda.device(device), cupy.cuda.Device(device.index), stream:
        yield


def launch(
    kernel: str,
    extent: tuple[int, int, int, int],
    words: NDArray[np.int64],
    device: torch.device,
    dtype: torch.dtype,
    variant: int,
) -> None:
    """Run a kernel over (batch, height, width, rows of a scatter's target): a thread a pixel."""
    batch, height, width, _ = extent
    threads = min(THREADS, -(-width // WARP) * WARP)
    with _current(device):
        function = _function(kernel, STORAGE_TYPES[dtype], variant, device.index)
        sizes = np.array(extent, np.int64)
        # CuPy passes an array of one structured element as a struct, by value.
        structs = tuple(array.view(f"V{array.nbytes}").reshape(()) for array in (words, sizes))
        function((-(-width // threads), min(batch * height, MAX_ROWS)), (threads,), structs)


@cache
def _function(kernel: str, storage: str, variant: int, device: int) -> Any:
    del device  # Part of the key: a function belongs to one device's context.
    import cupy

    name = name_of(kernel, storage, variant)
    module = cupy.RawModule(code=source(), options=options(), name_expressions=[name])
    return module.get_function(name)


@cache
def source() -> str:
    """What NVRTC compiles. CuPy's cache on disk does not look into headers, so that their digest is part of it."""
    return f'#include "{_HEADER}"  // {digest(library.kernel_sources())}\n'


def digest(sources: Path) -> str:
    """A digest of the headers that CUDA kernels include, directly or not: other headers leave compiled kernels valid.

    Args:
        sources: the folder that includes are relative to.
    """
    found = hashlib.sha256()
    for header in sorted(_included(sources, _HEADER)):
        found.update((sources / header).read_bytes())
    return found.hexdigest()


def _included(sources: Path, header: str) -> set[str]:
    """A header and all that it includes in quotes."""
    found: set[str] = set()
    wanted = {header}
    while wanted:
        name = wanted.pop()
        found.add(name)
        wanted |= set(_INCLUDE.findall((sources / name).read_text())) - found
    return found


def options() -> tuple[str, ...]:
    """Options for NVRTC. No contraction to fused multiply-adds: a position must fall on the CPU's side of a pixel."""
    return ("-std=c++17", "--fmad=false", f"-I{library.kernel_sources()}")


def name_of(kernel: str, storage: str, variant: int) -> str:
    """The kernel's instance as NVRTC is asked for it; ``backward_warp`` is the struct ``BackwardWarp``."""
    struct = "".join(word.capitalize() for word in kernel.split("_"))
    return f"vsvfi::launch<vsvfi::{struct}<{storage}, {variant}>>"
