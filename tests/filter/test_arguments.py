"""Interpolate's arguments are declared once: what scripts, Python and the documentation see agrees with it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest
import vapoursynth as vs

import vsvfi
from vsvfi.commands.clips import core
from vsvfi.filter.arguments import ARGUMENTS, Argument, signature

PAGE = Path(__file__).resolve().parents[2] / "docs" / "filter.md"
PYTHON_TYPES: dict[str, Any] = {
    "int": int,
    "flag": bool,
    "float": float,
    "data": str,
    "int[]": int | Sequence[int],
    "data[]": str | Sequence[str],
    "vnode": vs.VideoNode,
}


def plain(text: str) -> str:
    """A text without marks of code and case."""
    return " ".join(text.replace("`", "").casefold().split())


def test_the_native_plugin_declares_them() -> None:
    assert core.vsvfi.Interpolate.signature == signature()


def test_the_python_function_has_the_same() -> None:
    parameters = inspect.signature(vsvfi.interpolate).parameters
    assert list(parameters) == ["clip", *(argument.name for argument in ARGUMENTS)]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.name)
def test_the_python_function_has_their_types_and_defaults(argument: Argument) -> None:
    wanted = Literal[argument.choices] if argument.choices else PYTHON_TYPES[argument.kind]
    if argument.name == "fps":  # VapourSynth makes text of numbers
        wanted = str | float
    if argument.default is None:
        wanted = wanted | None
    assert get_type_hints(vsvfi.interpolate)[argument.name] == wanted
    assert inspect.signature(vsvfi.interpolate).parameters[argument.name].default == argument.default


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.name)
def test_the_python_function_describes_them(argument: Argument) -> None:
    described = plain(inspect.getdoc(vsvfi.interpolate) or "")
    assert f"{argument.name}: {plain(argument.help)}" in described


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.name)
def test_the_documentation_names_default_and_choices(argument: Argument) -> None:
    match = re.search(
        rf"^(`[^:\n]*`{argument.name}`.*|`{argument.name}`.*)\n((?::| ).*\n)+", PAGE.read_text(), re.MULTILINE
    )
    assert match, f"docs/filter.md does not describe {argument.name}"
    heading, text = match[1], match[0]
    shown = f'"{argument.default}"' if isinstance(argument.default, str) else f"{argument.default}"
    assert ("=" in heading) == (argument.default is not None)
    assert argument.default is None or shown in heading
    assert all(f'"{choice}"' in text or plain(choice) == argument.default for choice in argument.choices)
