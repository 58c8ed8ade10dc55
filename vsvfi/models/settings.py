"""Settings read from TOML tables into frozen dataclasses: every key known, every value checked."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from vsvfi.errors import VsvfiError

__all__ = ["Between", "ConfigError", "read_table"]


class ConfigError(VsvfiError):
    """A configuration that cannot be carried out: a setting that is unknown, of the wrong kind, or out of range."""


@dataclass(frozen=True, slots=True)
class Between:
    """The range of a number, both ends included: ``Annotated[int, Between(1, 31)]``."""

    low: float
    high: float


def read_table[T](kind: type[T], content: Mapping[str, Any], prefix: str = "") -> T:
    """A dataclass from a table; tables in it become the dataclasses that its fields are.

    Args:
        kind: a dataclass of booleans, numbers, strings, literals, tuples of one kind, and dataclasses.
        content: the table.
        prefix: put before the names of keys in messages: ``"model."``.

    Raises:
        ConfigError: an unknown key, a value of the wrong kind or out of range.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    known = [item.name for item in dataclasses.fields(typing.cast("Any", kind))]
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known) or 'none'}"
            raise ConfigError(f"unknown key {prefix}{key}; {hint}")
        values[key] = _converted(value, hints[key], f"{prefix}{key}")
    return kind(**values)


def _converted(value: Any, kind: Any, name: str) -> Any:
    if isinstance(kind, typing.TypeAliasType):
        kind = kind.__value__
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) or origin is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name} must be a table, got {value!r}")
        return dict(value) if origin is Mapping else read_table(typing.cast("type", kind), value, f"{name}.")
    if origin is Literal:
        if value in arguments:
            return value
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, arguments))}, got {value!r}")
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_converted(item, arguments[0], name) for item in value)
        raise ConfigError(f"{name} must be a list, got {value!r}")
    if origin is Annotated:
        return _in_range(_converted(value, arguments[0], name), arguments[1], name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} must be a {kind.__name__}, got {value!r}")
    return value


def _in_range(value: Any, allowed: Between, name: str) -> Any:
    if not allowed.low <= value <= allowed.high:
        raise ConfigError(f"{name} must be between {allowed.low:g} and {allowed.high:g}, got {value!r}")
    return value
