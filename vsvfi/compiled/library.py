"""The compiled kernels: where they are, and which build this machine runs. Neither torch nor numpy here."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

from vsvfi import compiled
from vsvfi.errors import VsvfiError

__all__ = ["ABI", "kernel_sources", "load", "problem", "require"]

ABI = 7
"""The version of the C interface that this package was written for (kernels/common/version.cpp)."""


@cache
def load() -> ctypes.CDLL | None:
    """The CPU kernels, in the build for AVX2 where the machine has it; None where there are none, see `problem`."""
    found = _load()
    return None if isinstance(found, str) else found


def require() -> ctypes.CDLL:
    """The CPU kernels.

    Raises:
        VsvfiError: there are none.
    """
    found = load()
    if found is None:
        raise VsvfiError(f"the compiled kernels are missing: {problem()}")
    return found


def problem() -> str | None:
    """Why `load` returns None, in words for a user; None where it is not."""
    found = _load()
    return found if isinstance(found, str) else None


def kernel_sources() -> Path:
    """The folder of the kernels' source, which a GPU's compiler reads."""
    checkout = Path(__file__).resolve().parents[2] / "kernels"
    return checkout if (checkout / "ops" / "kernel.h").is_file() else Path(__file__).resolve().parents[1] / "kernels"


@cache
def _load() -> ctypes.CDLL | str:
    baseline = _open("vsvfi_kernels")
    if isinstance(baseline, str) or not baseline.vsvfi_kernels_v3_supported():
        return baseline
    faster = _open("vsvfi_kernels_v3")
    return baseline if isinstance(faster, str) else faster


def _open(name: str) -> ctypes.CDLL | str:
    file = f"{name}.dll" if platform.system() == "Windows" else f"lib{name}.so"
    # An editable install keeps compiled files beside site-packages, apart from the Python ones.
    paths = [Path(folder) / file for folder in compiled.__path__]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return f"there is no {file} in {paths[-1].parent}; install a wheel for this platform, or a C++ compiler first"
    try:
        opened = ctypes.CDLL(str(path))
        version = opened.vsvfi_kernels_abi()
    except (OSError, AttributeError) as error:
        return f"{path} cannot be loaded: {error}"
    if version != ABI:
        return f"{path} is of another version ({version}, expected {ABI}); install vsvfi again"
    return opened
