"""What a command needs that may be missing: asked before any work is done, and said in one line."""

from __future__ import annotations

from vsvfi.errors import VsvfiError
from vsvfi.models import availability
from vsvfi.models.info import BackendInfo
from vsvfi.models.registry import find

__all__ = ["need_model", "need_packages"]


def need_model(name: str, *, weights: bool = True) -> BackendInfo:
    """The model called ``name``, if all that it needs is there.

    Args:
        name: the model.
        weights: whether its weights must have been added; not so where a user names a file.

    Raises:
        VsvfiError: there is no such model, or torch or its weights are missing; the message says what to run.
    """
    info = find(name)
    missing = availability.missing(info)
    if missing.install:
        raise VsvfiError(f"model {info.name!r} needs PyTorch: {missing.install}")
    if missing.add and weights:
        raise VsvfiError(f"model {info.name!r} needs weights: {missing.add}")
    return info


def need_packages(purpose: str, extra: str, *modules: str) -> None:
    """Make sure that optional packages are installed.

    Args:
        purpose: what needs them, as the beginning of a sentence: ``"vsvfi train"``.
        extra: the extra of vsvfi that brings them.
        modules: the names that they are imported by.

    Raises:
        VsvfiError: one is not there.
    """
    lacking = [module for module in modules if not availability.is_installed(module)]
    if lacking:
        raise VsvfiError(f"{purpose} needs {' and '.join(lacking)}: pip install 'vsvfi[{extra}]'")
