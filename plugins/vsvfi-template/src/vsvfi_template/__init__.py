"""Two models that cross-fade. This module is imported to list the models: keep it light, no torch here."""

from __future__ import annotations

from collections.abc import Iterable

from vsvfi.api import BackendInfo, hookimpl

__all__ = ["INFOS", "vsvfi_backends"]

INFOS = (
    BackendInfo(
        name="cross-fade",
        summary="fades from one frame into the next, on native planes",
        backend="vsvfi_template.planes:CrossFade",
        planes=True,
    ),
    BackendInfo(
        name="cross-fade-torch",
        summary="fades from one frame into the next, as a torch model",
        backend="vsvfi_template.network:CrossFade",
    ),
)


@hookimpl
def vsvfi_backends() -> Iterable[BackendInfo]:
    """The models of this package."""
    return INFOS
