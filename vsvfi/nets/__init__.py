"""Networks that several models share, or that are of use alone: optical flow, depth.

Importing this package is cheap; a network's module is imported when it is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from vsvfi.models.info import NetworkInfo
from vsvfi.models.registry import hookimpl

__all__ = ["vsvfi_networks"]

_MODULES = (
    "dis",
    "flowformer",
    "flownet2",
    "flownets",
    "gimm",
    "gmflow",
    "megadepth",
    "pwcnet",
    "raft",
    "spynet",
)


@hookimpl
def vsvfi_networks() -> Iterable[NetworkInfo]:
    """The networks that ship with vsvfi and are no models of the filter."""
    for name in _MODULES:
        yield from importlib.import_module(f"vsvfi.nets.{name}").INFOS
