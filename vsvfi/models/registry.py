"""Which models there are: built-in and third-party backends, found by one and the same path (pluggy)."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from types import MappingProxyType
from typing import Any, Literal, cast

import pluggy

from vsvfi.errors import VsvfiError, one_line
from vsvfi.models.info import BackendInfo, NetworkInfo

__all__ = [
    "PluginProblem",
    "UnknownModelError",
    "backends",
    "closest_first",
    "enhancers",
    "find",
    "hookimpl",
    "hookspec",
    "networks",
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

    @hookspec
    def vsvfi_networks(self) -> Iterable[NetworkInfo]:  # type: ignore[empty-body]
        """Return the networks of this plugin that are no models: `EstimatorInfo` for optical flow or depth."""


class UnknownModelError(VsvfiError):
    """A model name that no backend has."""


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin, or one of its backends, is not available."""

    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Registry:
    backends: Mapping[str, BackendInfo]
    enhancers: Mapping[str, BackendInfo]
    networks: Mapping[str, NetworkInfo]
    origins: Mapping[str, str]
    problems: tuple[PluginProblem, ...]


def _entry_points() -> list[tuple[EntryPoint, Distribution]]:
    """The plugins that are installed: ours first, then by name."""
    found: dict[str, tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == PROJECT:
                found.setdefault(entry.name, (entry, distribution))
    return [found[name] for name in sorted(found, key=lambda name: (not _is_built_in(found[name][1]), name))]


def _is_built_in(distribution: Distribution) -> bool:
    return distribution.name == PROJECT


def _described_backend(item: Any) -> BackendInfo:
    info = getattr(item, "info", None) if isinstance(item, type) else item
    if not isinstance(info, BackendInfo):
        raise TypeError(
            "vsvfi_backends must return BackendInfo objects or classes with a BackendInfo as attribute 'info', "
            f"got {item!r}"
        )
    return info


def _described_network(item: Any) -> NetworkInfo:
    if not isinstance(item, NetworkInfo):
        raise TypeError(f"vsvfi_networks must return NetworkInfo objects, got {item!r}")
    return item


def _trace(text: str) -> None:
    if os.environ.get("VSVFI_TRACE_PLUGINS"):
        sys.stderr.write(f"vsvfi plugins: {text}\n")


@cache
def _registry() -> _Registry:
    """Load every plugin once.

    ``VSVFI_PLUGINS`` pins the third-party plugins to load (comma-separated entry-point names; empty: none);
    ``VSVFI_TRACE_PLUGINS`` writes what is loaded, and which models it brings, to standard error.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    problems = _register_plugins(manager)
    backends, origins, clashes = _collect(manager.hook.vsvfi_backends, _described_backend)
    networks, _, network_clashes = _collect(manager.hook.vsvfi_networks, _described_network)
    problems += clashes + network_clashes
    for problem in problems:
        warnings.warn(f"vsvfi: plugin {problem.plugin!r} was skipped: {problem.reason}", stacklevel=2)
    interpolating = {name: info for name, info in backends.items() if info.kind == "interpolate"}
    enhancing = {name: info for name, info in backends.items() if info.kind == "enhance"}
    return _Registry(MappingProxyType(interpolating), MappingProxyType(enhancing), networks, origins, tuple(problems))


def _register_plugins(manager: pluggy.PluginManager) -> list[PluginProblem]:
    """Load the modules that entry points name; what cannot be loaded comes back."""
    pinned = os.environ.get("VSVFI_PLUGINS")
    wanted = None if pinned is None else {name.strip() for name in pinned.split(",") if name.strip()}
    entries = _entry_points()
    problems = [
        PluginProblem(name, "pinned by VSVFI_PLUGINS but not installed")
        for name in sorted((wanted or set()) - {entry.name for entry, _ in entries})
    ]
    for entry, distribution in entries:
        if wanted is not None and entry.name not in wanted and not _is_built_in(distribution):
            _trace(f"{entry.name}: left out, VSVFI_PLUGINS is {pinned!r}")
            continue
        _trace(f"{entry.name}: load {entry.value} of {distribution.name} {distribution.version}")
        try:
            manager.register(entry.load(), name=entry.name)
        except Exception as error:  # importing a third party's module may raise anything
            problems.append(PluginProblem(entry.name, one_line(error)))
    return problems


def _collect[I: NetworkInfo](
    hook: pluggy.HookCaller, describe: Callable[[Any], I]
) -> tuple[Mapping[str, I], dict[str, str], list[PluginProblem]]:
    """What the plugins return for a hook, by name, who brought it, and what went wrong.

    In the order of registration, the built-in ones first: the first to bring a name keeps it.
    """
    found: dict[str, I] = {}
    origins: dict[str, str] = {}
    problems: list[PluginProblem] = []
    for implementation in hook.get_hookimpls():
        plugin = implementation.plugin_name
        try:
            infos = [describe(item) for item in cast("Iterable[Any]", implementation.function())]
        except Exception as error:
            problems.append(PluginProblem(plugin, one_line(error)))
            continue
        _trace(f"{plugin}: {hook.name} returns {', '.join(info.name for info in infos) or 'nothing'}")
        for info in infos:
            if info.name in found:
                reason = f"model {info.name!r} is already provided by {origins[info.name]!r}"
                problems.append(PluginProblem(plugin, reason))
            else:
                found[info.name] = info
                origins[info.name] = plugin
    return MappingProxyType(dict(sorted(found.items()))), origins, problems


def backends() -> Mapping[str, BackendInfo]:
    """All models that interpolate, by name, sorted."""
    return _registry().backends


def enhancers() -> Mapping[str, BackendInfo]:
    """All models that enhance, by name, sorted."""
    return _registry().enhancers


def networks() -> Mapping[str, NetworkInfo]:
    """All known networks that are no models of the filter, by name, sorted."""
    return _registry().networks


def origin(name: str) -> str:
    """The plugin that provides a model: ``"built-in"`` or an entry point's name."""
    return _registry().origins[name]


def problems() -> tuple[PluginProblem, ...]:
    """What could not be loaded, and why."""
    return _registry().problems


def reload() -> None:
    """Forget what was loaded, so that the next look-up finds plugins again."""
    _registry.cache_clear()


def closest_first(name: str, known: Iterable[str]) -> list[str]:
    """Known names in the order of their likeness to ``name``, then by themselves."""
    return sorted(known, key=lambda other: (-difflib.SequenceMatcher(None, name.lower(), other).ratio(), other))


def find(name: str, kind: Literal["interpolate", "enhance"] = "interpolate") -> BackendInfo:
    """The backend called ``name``, in upper or lower case.

    Raises:
        UnknownModelError: there is none of that kind; the message names the three that are closest.
    """
    known, others = (backends(), enhancers()) if kind == "interpolate" else (enhancers(), backends())
    if name.lower() in known:
        return known[name.lower()]
    if name.lower() in others:
        verb, function = ("enhances", "Enhance") if kind == "interpolate" else ("interpolates", "Interpolate")
        raise UnknownModelError(f"model {name!r} {verb}: use core.vsvfi.{function}")
    near = ", ".join(closest_first(name, known)[:3])
    raise UnknownModelError(f"unknown model {name!r}; closest: {near}; all are listed by: vsvfi models")
