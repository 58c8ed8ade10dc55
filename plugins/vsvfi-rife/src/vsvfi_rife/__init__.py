"""RIFE 4.x for vsvfi. torch is imported when a model is used, not with this package."""

from __future__ import annotations

from collections.abc import Iterable

from vsvfi.api import BackendInfo, hookimpl
from vsvfi_rife.versions import INFOS, NEWEST

__all__ = ["vsvfi_backends"]


@hookimpl
def vsvfi_backends() -> Iterable[BackendInfo]:
    """Every version of RIFE 4, and the newest as ``rife``."""
    return (NEWEST, *INFOS)
