"""Backends mark what they override, so that a renamed method of the base is an error and not a method never called."""

from __future__ import annotations

from types import FunctionType

import pytest

from vsvfi.models import registry
from vsvfi.models.info import load_object

NAMES = [name for name, info in registry.backends().items() if registry.origin(name) == "built-in" and not info.planes]


@pytest.mark.parametrize("name", NAMES)
def test_overrides_are_marked(name: str) -> None:
    backend = load_object(registry.find(name).backend)
    for position, kind in enumerate(backend.__mro__):
        if not kind.__module__.startswith("vsvfi."):
            continue
        for attribute, value in vars(kind).items():
            function = value.fget if isinstance(value, property) else value
            inherited = any(attribute in vars(base) for base in backend.__mro__[position + 1 : -1])
            if isinstance(function, FunctionType) and not attribute.startswith("__") and inherited:
                assert getattr(function, "__override__", False), f"{kind.__name__}.{attribute} lacks @override"
