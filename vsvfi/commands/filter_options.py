"""The filter's arguments as options of commands, from their one declaration in `vsvfi.filter.arguments`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from vsvfi.errors import VsvfiError
from vsvfi.filter.arguments import ARGUMENTS, Argument

__all__ = ["value_of", "with_filter_options"]

TIME = ("factor", "factor_num", "factor_den", "fps", "fps_num", "fps_den", "timing")
"""Commands have ways of their own to say these."""

_TYPES: Mapping[str, Any] = {"int": int, "flag": bool, "float": float, "data": str, "data[]": list[str], "int[]": str}


def _shown(leave_out: Sequence[str] = ()) -> list[Argument]:
    return [argument for argument in ARGUMENTS if argument.name not in (*TIME, *leave_out) and argument.kind in _TYPES]


def value_of(name: str, text: str) -> Any:
    """The value of an argument of the filter that is written as text.

    Raises:
        VsvfiError: there is no such argument, or the text is no value of its kind.
    """
    argument = next((argument for argument in _shown() if argument.name == name), None)
    if argument is None:
        raise VsvfiError(f"{name!r} is no option of the filter; known are {', '.join(a.name for a in _shown())}")
    if argument.kind == "int[]":
        return _numbers(name, text)
    try:
        return {"int": int, "flag": int, "float": float}.get(argument.kind, str)(text)
    except ValueError:
        raise VsvfiError(f"{name} must be a number, got {text!r}") from None


def _parameter(argument: Argument) -> inspect.Parameter:
    kind = Literal[argument.choices] if argument.choices else _TYPES[argument.kind]
    # Nothing is passed on that was not given, so that the filter's own defaults hold; help says what they are.
    text = argument.help if argument.default is None else f"{argument.help} [default: {argument.default}]"
    names = f"--{argument.name.replace('_', '-')}"
    if argument.kind == "flag":
        names += f"/--no-{argument.name.replace('_', '-')}"
    shape = "" if argument.kind == "flag" else None
    option = typer.Option(names, help=text, metavar=shape, rich_help_panel="Interpolation", show_default=False)
    return inspect.Parameter(
        argument.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def with_filter_options(*leave_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the filter's options; those that a user gave arrive as its argument ``filter_options``."""
    return lambda command: _with_options(command, _shown(leave_out))


def _with_options(command: Callable[..., None], options: Sequence[Argument]) -> Callable[..., None]:
    own = inspect.signature(command, eval_str=True)
    added = [_parameter(argument) for argument in options]
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "filter_options"]
    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in kept]

    @wraps(command)
    def called(**arguments: Any) -> None:
        given = {argument.name: arguments.pop(argument.name) for argument in options}
        command(**arguments, filter_options=_checked(given))

    called.__signature__ = own.replace(parameters=[*keyword, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in [*keyword, *added]}
    del called.__wrapped__
    return called


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, in the form that the filter takes."""
    found = {name: value for name, value in given.items() if value is not None and value != []}
    for argument in _shown():
        if argument.name in found and argument.kind == "int[]":
            found[argument.name] = _numbers(argument.name, found[argument.name])
        elif argument.name in found and argument.kind == "flag":
            found[argument.name] = int(found[argument.name])
    return found


def _numbers(name: str, text: str) -> list[int]:
    parts = text.lower().replace(",", "x").split("x")
    if not all(part.strip().isdecimal() for part in parts):
        raise VsvfiError(f"--{name} must be one number or two such as 512x256, got {text!r}")
    return [int(part) for part in parts]
