"""Which models can be used now, and what the others miss. No torch here."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass

from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo

__all__ = ["Availability", "availability", "is_installed", "missing", "usable_models"]


@dataclass(frozen=True, slots=True)
class Availability:
    """What a model misses before it can be used, as commands: ``install`` for torch, ``add`` for its weights."""

    info: BackendInfo
    install: str = ""
    add: str = ""

    @property
    def usable(self) -> bool:
        """Whether nothing is missing."""
        return not (self.install or self.add)

    @property
    def lack(self) -> str:
        """What is missing, in words: ``"torch and weights"``."""
        return " and ".join(what for what, command in (("torch", self.install), ("weights", self.add)) if command)


def availability() -> list[Availability]:
    """All known models, those that can be used first, then by name (``rife-4.2`` before ``rife-4.10``)."""
    found = [missing(info) for info in (*registry.backends().values(), *registry.enhancers().values())]
    return sorted(found, key=lambda entry: (entry.lack, _natural(entry.info.name)))


def is_installed(module: str) -> bool:
    """Whether a top-level package can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def missing(info: BackendInfo) -> Availability:
    """What one model misses."""
    install = "" if info.planes or is_installed("torch") else "pip install 'vsvfi[torch]'"
    return Availability(info, install=install, add=_weights_command(info))


def usable_models() -> list[str]:
    """The names of the models that Interpolate can use now."""
    return [entry.info.name for entry in availability() if entry.usable and entry.info.kind == "interpolate"]


def _weights_command(info: BackendInfo) -> str:
    if not info.build:
        return ""
    try:
        weights.locate(info)
    except weights.MissingWeightsError as error:
        return error.command
    return ""


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
