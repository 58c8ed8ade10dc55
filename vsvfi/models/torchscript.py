"""Reads the tensors of a TorchScript archive without running the program in it.

Such an archive is a zip file: code, and a pickle of the module with its tensors' bytes beside it. The pickle is read
with a short list of what it may name; modules become bags of attributes.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["is_torchscript", "read_torchscript"]

_DTYPES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "BoolStorage": "bool",
}


class _Module:
    """A module of the archive: the pickle sets its attributes."""


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of the module, named as in its state dict.

    Raises:
        pickle.UnpicklingError: the archive holds something other than a module and its tensors.
        KeyError, ValueError, RuntimeError, zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0] + "/"
        with archive.open(f"{root}data.pkl") as file:
            module = _Unpickler(file, archive, root).load()
    if not isinstance(module, _Module):
        raise pickle.UnpicklingError("the archive holds no module")
    tensors: dict[str, Tensor] = {}
    _collect(module, "", tensors)
    return tensors


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self.archive = archive
        self.root = root

    @override
    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _DTYPES:
            return name
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"the archive asks for {module}.{name}, which weights do not need")
        return _ALLOWED[module, name]

    @override
    def persistent_load(self, pid: Any) -> Tensor:
        import torch

        _, storage, key, *_ = pid
        dtype: torch.dtype = getattr(torch, _DTYPES[storage])
        content = bytearray(self.archive.read(f"{self.root}data/{key}"))
        return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _as_given(value: Any, *_: Any) -> Any:
    """A list or a dict that is marked with its type."""
    return value


_ALLOWED = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("collections", "OrderedDict"): OrderedDict,
    **{
        ("torch.jit._pickle", name): _as_given
        for name in ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag")
    },
}


def _collect(module: Any, prefix: str, tensors: dict[str, Tensor]) -> None:
    import torch

    for name, value in vars(module).items():
        if isinstance(value, torch.Tensor):
            tensors[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", tensors)
