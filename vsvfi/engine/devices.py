"""The torch device and the precision that a user's choice means."""

from __future__ import annotations

import torch

from vsvfi.errors import VsvfiError
from vsvfi.models.info import BackendInfo

__all__ = ["find_device", "find_dtype"]


def find_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        VsvfiError: it is not there.
    """
    kind = name.partition(":")[0]
    if kind == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise VsvfiError(f"device {name!r}: CUDA is not available here; use device='cpu', and see: vsvfi doctor")
        if torch.device(name).index is not None and torch.device(name).index >= torch.cuda.device_count():
            raise VsvfiError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA devices")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise VsvfiError("device 'mps': Metal is not available here; use device='cpu'")
    return torch.device("cuda", 0) if name == "cuda" else torch.device(name)


def find_dtype(info: BackendInfo, device: torch.device, precision: str) -> torch.dtype:
    """The type that convolutions work in: ``auto``, ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        VsvfiError: the model does not work in it.
    """
    if precision == "auto":
        precision = "fp16" if device.type == "cuda" and info.supports_half else "fp32"
    if precision == "fp16" and not info.supports_half:
        raise VsvfiError(f"model {info.name!r} does not work in fp16; use precision='fp32'")
    if precision == "bf16" and not info.supports_bfloat16:
        raise VsvfiError(f"model {info.name!r} does not work in bf16; use precision='fp32'")
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
