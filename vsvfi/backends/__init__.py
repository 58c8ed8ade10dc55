"""The built-in backends, registered through the hook that third parties use.

Each is a module or folder here that holds its ``INFOS`` without importing torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from vsvfi.models.info import BackendInfo
from vsvfi.models.registry import hookimpl

__all__ = ["vsvfi_backends"]

_MODULES = (
    "amt",
    "bmbc",
    "cure",
    "dain",
    "ema_vfi",
    "figan",
    "film",
    "flow",
    "gimm_vfi",
    "gmfss",
    "ifrnet",
    "jnmr",
    "m2m",
    "memc_net",
    "mind",
    "sepconv",
    "super_slomo",
    "toflow",
    "upr",
    "voxel_flow",
    "zooming_slow_mo",
)


@hookimpl
def vsvfi_backends() -> Iterable[BackendInfo]:
    """The models that ship with vsvfi."""
    for name in _MODULES:
        yield from importlib.import_module(f"vsvfi.backends.{name}").INFOS
