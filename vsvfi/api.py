"""All that a plugin needs: ``from vsvfi import api`` or ``from vsvfi.api import BackendInfo, hookimpl``.

Importing this module, and the descriptions in it, costs no torch: plugins are imported whenever models are listed. The
bases of torch backends are imported with torch when they are first asked for. Operators are in `vsvfi.ops`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vsvfi.errors import VsvfiError
from vsvfi.models.info import (
    BackendInfo,
    Checkpoint,
    EstimatorInfo,
    Layout,
    NetworkInfo,
    Options,
    PlaneBackend,
    PlaneFrame,
    Shapes,
)
from vsvfi.models.registry import hookimpl

if TYPE_CHECKING:
    from vsvfi.backends.base import MeanBackend as MeanBackend
    from vsvfi.backends.base import MidpointBackend as MidpointBackend
    from vsvfi.backends.base import Size as Size
    from vsvfi.backends.base import SizeBackend as SizeBackend
    from vsvfi.backends.base import TorchBackend as TorchBackend
    from vsvfi.nets.tiles import Tile as Tile

__all__ = [
    "BackendInfo",
    "Checkpoint",
    "EstimatorInfo",
    "Layout",
    "MeanBackend",
    "MidpointBackend",
    "NetworkInfo",
    "Options",
    "PlaneBackend",
    "PlaneFrame",
    "Shapes",
    "Size",
    "SizeBackend",
    "Tile",
    "TorchBackend",
    "VsvfiError",
    "hookimpl",
]

_WITH_TORCH = {
    **dict.fromkeys(("MeanBackend", "MidpointBackend", "Size", "SizeBackend", "TorchBackend"), "vsvfi.backends.base"),
    "Tile": "vsvfi.nets.tiles",
}


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        return getattr(importlib.import_module(_WITH_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
