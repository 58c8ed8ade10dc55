"""Opening checkpoint files: what they are by their first bytes, their tensors without wrappers, no code run."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.models.torchscript import is_torchscript, read_torchscript
from vsvfi.models.weights.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["kind_of", "read"]

_WRAPPERS = ("params_ema", "params", "ema", "state_dict", "model_state_dict", "model", "net", "network", "generator")
_PREFIXES = ("module.", "_orig_mod.")

_CODE = re.compile(r"GLOBAL ([\w.]+)|asks for ([\w.]+)")


def kind_of(path: Path) -> str:
    """What a file is by its first bytes: ``"safetensors"``, ``"torch"``, ``"web page"``, ``"empty"`` or ``""``.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    if not head:
        return "empty"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return "safetensors"
    is_zip, is_pickle = head[:4] == b"PK\x03\x04", head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if is_zip or is_pickle or head[257:262] == b"ustar":
        return "torch"
    return "web page" if head.lstrip()[:1] == b"<" else ""


def read(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by their published names, without wrappers and ``module.`` prefixes.

    Safetensors, torch files and TorchScript archives; no code in a file is ever run.

    Raises:
        WeightsError: the file is missing, damaged, or not a checkpoint.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for names that are too long)
        raise WeightsError(f"there is no weights file {path}")
    kind = kind_of(path)
    if kind == "web page":
        raise WeightsError(f"{path} is a web page, not a weights file: download the file itself")
    if kind not in ("safetensors", "torch"):
        is_what = "empty" if kind == "empty" else "no weights file: those are safetensors or were saved by torch"
        raise WeightsError(f"{path} is {is_what}")
    try:
        content = _read(path, kind)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path} {_refusal(error)}") from None
    except Exception as error:  # the parsers of damaged files raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is damaged or not a weights file: {reason}") from None
    return _checked(_unwrap(content, path), path)


def _read(path: Path, kind: str) -> Any:
    import torch
    from safetensors.torch import load_file

    if kind == "safetensors":
        return load_file(path)
    if is_torchscript(path):
        return read_torchscript(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _refusal(error: pickle.UnpicklingError) -> str:
    """Why a pickle is not opened. In our words: torch advises to open it unsafely."""
    found = _CODE.search(str(error))
    if found is None:
        return "is damaged or not a weights file: its pickle cannot be read"
    return (
        f"cannot be opened safely as weights: it asks to run {found[1] or found[2]}, and code in a file is never run; "
        "tensors, numbers, text and containers of them are allowed. Ask its authors for safetensors, or save the state "
        "dict alone with the program that made it: safetensors.torch.save_file(model.state_dict(), 'file.safetensors')"
    )


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    def is_state(value: Any) -> bool:
        return isinstance(value, Mapping) and any(isinstance(item, torch.Tensor) for item in value.values())

    for _ in range(4):
        if is_state(content) or not isinstance(content, Mapping):
            break
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            # Several networks in one file: each one's tensors go under its key.
            states = {key: state for key, state in content.items() if is_state(state)}
            inner = {f"{key}.{name}": value for key, state in states.items() for name, value in state.items()}
        content = inner
    if not is_state(content):
        raise WeightsError(f"{path} holds no state dict")
    state = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _checked(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors, if all of them are plain ones that hold their values."""
    import torch

    for name, value in state.items():
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise WeightsError(f"{path} holds a tensor that is sparse, quantized or without data ({name}), not weights")
    return state
