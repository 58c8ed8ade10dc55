"""What runs a network in the chosen precision."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["exact_products", "running_in"]

_lock = threading.Lock()
_users = 0
_before: tuple[bool, bool] = (False, False)


@contextlib.contextmanager
def exact_products() -> Iterator[None]:
    """Convolutions and matrix products on a GPU in fp32 proper, not in TF32, as long as any thread is in this context.

    Torch has one switch for the process: the first thread to enter sets it, the last one to leave restores it.
    """
    global _users, _before
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    with _lock:
        _users += 1
        if _users == 1:
            _before = cudnn.allow_tf32, matmul.allow_tf32
            cudnn.allow_tf32 = matmul.allow_tf32 = False
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                cudnn.allow_tf32, matmul.allow_tf32 = _before


def running_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context in which convolutions work in ``dtype``, whatever the type of their weights."""
    if dtype != torch.float32:
        return torch.autocast(device.type, dtype)
    return exact_products() if device.type == "cuda" else contextlib.nullcontext()
