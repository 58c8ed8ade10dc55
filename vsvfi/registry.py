"""Which models there are: built-in and third-party backends, found by one and the same path (pluggy)."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from types import MappingProxyType
from typing import Any, cast

import pluggy

from vsvfi.backend import BackendInfo

__all__ = [
    "PluginProblem",
    "UnknownModelError",
    "backends",
    "find",
    "hookimpl",
    "hookspec",
    "origin",
    "problems",
    "reload",
]

PROJECT = "vsvfi"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The hooks a plugin may implement."""

    @hookspec
    def vsvfi_backends(self) -> Iterable[BackendInfo | type]:  # type: ignore[empty-body]
        """Return the backends of this plugin: `BackendInfo`, or classes with one as attribute ``info``."""


class UnknownModelError(ValueError):
    """A model name that no backend has."""


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin, or one of its backends, is not available."""

    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Registry:
    backends: Mapping[str, BackendInfo]
    origins: Mapping[str, str]
    problems: tuple[PluginProblem, ...]


def _entry_points() -> list[tuple[EntryPoint, Distribution]]:
    found: dict[str, tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == PROJECT:
                found.setdefault(entry.name, (entry, distribution))
    return [found[name] for name in sorted(found)]


def _describe(item: Any) -> BackendInfo:
    info = getattr(item, "info", None) if isinstance(item, type) else item
    if not isinstance(info, BackendInfo):
        raise TypeError(
            "vsvfi_backends must return BackendInfo objects or classes with a BackendInfo as attribute 'info', "
            f"got {item!r}"
        )
    return info


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def _registry() -> _Registry:
    """Load every plugin once.

    ``VSVFI_PLUGINS`` pins the third-party plugins to load (comma-separated entry-point names; empty: none);
    ``VSVFI_TRACE_PLUGINS`` writes what is loaded, and which models it brings, to standard error.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    tracing = bool(os.environ.get("VSVFI_TRACE_PLUGINS"))

    def trace(text: str) -> None:
        if tracing:
            sys.stderr.write(f"vsvfi plugins: {text}\n")

    problems: list[PluginProblem] = []
    pinned = os.environ.get("VSVFI_PLUGINS")
    wanted = None if pinned is None else {name.strip() for name in pinned.split(",") if name.strip()}
    from vsvfi import backends as builtin

    manager.register(builtin, name="built-in")
    entries = _entry_points()
    if wanted is not None:
        problems += [
            PluginProblem(name, "pinned by VSVFI_PLUGINS but not installed")
            for name in sorted(wanted - {entry.name for entry, _ in entries})
        ]
    for entry, distribution in entries:
        if wanted is not None and entry.name not in wanted:
            trace(f"{entry.name}: left out, VSVFI_PLUGINS is {pinned!r}")
            continue
        trace(f"{entry.name}: load {entry.value} of {distribution.name} {distribution.version}")
        try:
            manager.register(entry.load(), name=entry.name)
        except Exception as error:  # a stranger's module may raise anything
            problems.append(PluginProblem(entry.name, _one_line(error)))

    found: dict[str, BackendInfo] = {}
    origins: dict[str, str] = {}
    # In the order of registration, the built-in ones first: the first to bring a name keeps it.
    for implementation in manager.hook.vsvfi_backends.get_hookimpls():
        plugin = implementation.plugin_name
        try:
            items = cast("Iterable[Any]", implementation.function())
            infos = [_describe(item) for item in items]
        except Exception as error:
            problems.append(PluginProblem(plugin, _one_line(error)))
            continue
        trace(f"{plugin}: vsvfi_backends returns {', '.join(info.name for info in infos) or 'nothing'}")
        for info in infos:
            if info.name in found:
                problems.append(
                    PluginProblem(plugin, f"model {info.name!r} is already provided by {origins[info.name]!r}")
                )
            else:
                found[info.name] = info
                origins[info.name] = plugin
    for problem in problems:
        warnings.warn(f"vsvfi: plugin {problem.plugin!r} was skipped: {problem.reason}", stacklevel=2)
    return _Registry(MappingProxyType(dict(sorted(found.items()))), origins, tuple(problems))


def backends() -> Mapping[str, BackendInfo]:
    """All known backends by model name, sorted."""
    return _registry().backends


def origin(name: str) -> str:
    """The plugin that provides a model: ``"built-in"`` or an entry point's name."""
    return _registry().origins[name]


def problems() -> tuple[PluginProblem, ...]:
    """What could not be loaded, and why."""
    return _registry().problems


def reload() -> None:
    """Forget what was loaded, so that the next look-up finds plugins anew."""
    _registry.cache_clear()


def find(name: str) -> BackendInfo:
    """The backend called ``name``.

    Raises:
        UnknownModelError: there is none; the message lists the known ones, closest first.
    """
    known = backends()
    if name in known:
        return known[name]
    ranked = sorted(known, key=lambda other: -difflib.SequenceMatcher(None, name.lower(), other).ratio())
    raise UnknownModelError(f"unknown model {name!r}; known models, closest first: {', '.join(ranked)}")
