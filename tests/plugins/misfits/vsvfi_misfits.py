"""Plugins for the tests of the registry: a sound one, and some that go wrong in one way each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vsvfi.models.info import BackendInfo
from vsvfi.models.registry import hookimpl


def model(name: str) -> BackendInfo:
    return BackendInfo(name=name, summary="for tests", backend="vsvfi_misfits:Backend", planes=True)


class Backend:
    """A backend class that brings its description along."""

    info = model("sound-class")


class Plugin:
    """A plugin whose hook gives what it was made with."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    @hookimpl
    def vsvfi_backends(self) -> Iterable[Any]:
        return self.items


class Raises:
    """A plugin whose hook fails after its first model."""

    @hookimpl
    def vsvfi_backends(self) -> Iterable[BackendInfo]:
        yield model("never-seen")
        raise RuntimeError("the hook\nfailed")


sound = Plugin(model("sound"), Backend)
clash = Plugin(model("flow"), model("beside-the-clash"))
hook = Raises()
kind = Plugin("not-a-backend")
