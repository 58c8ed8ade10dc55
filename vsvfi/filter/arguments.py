"""The one declaration of Interpolate's arguments: names, types, defaults, what they may be, what they mean.

Callers get theirs from here (the command line's help, the checks) or are tested against it (the native signature, the
typed Python function, docs/filter.md). It imports next to nothing, so that ``vsvfi --help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vsvfi.timeline import MAX_TERM

__all__ = ["ARGUMENTS", "Argument", "complete", "help_of", "signature"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of ``core.vsvfi.Interpolate``.

    ``kind`` is VapourSynth's type, or ``"flag"`` for an int that is 0 or 1. ``default`` is None where leaving the
    argument out means something of its own. ``choices`` lists all that may be given, ``bounds`` the least and the
    greatest integer; other limits depend on the model or are checked in `vsvfi.filter.settings`.
    """

    name: str
    kind: Literal["int", "flag", "float", "data", "int[]", "data[]", "vnode"]
    help: str
    default: str | float | None = None
    choices: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None


ARGUMENTS = (
    Argument(
        name="model",
        kind="data",
        default="flow",
        help="Which model makes the new frames; `vsvfi models` lists them.",
    ),
    Argument(
        name="factor",
        kind="float",
        help="Output frames per source frame, above 1; 2 by default. The nearest fraction with a denominator up to "
        "1001 is taken.",
    ),
    Argument(name="factor_num", kind="int", bounds=(1, MAX_TERM), help="With `factor_den`, the exact factor."),
    Argument(name="factor_den", kind="int", bounds=(1, MAX_TERM), help="See `factor_num`; 1 if left out."),
    Argument(
        name="fps_num",
        kind="int",
        bounds=(1, MAX_TERM),
        help="With `fps_den`, the output's frame rate instead of a factor.",
    ),
    Argument(name="fps_den", kind="int", bounds=(1, MAX_TERM), help="See `fps_num`; 1 if left out."),
    Argument(
        name="fps",
        kind="data",
        help="The output's frame rate as a number or text: 60, 59.94 or 60000/1001. 23.976, 29.97, 59.94 and 119.88 "
        "are the rates of television.",
    ),
    Argument(
        name="timing",
        kind="data",
        default="auto",
        choices=("auto", "durations", "rate"),
        help="Whether source frames are placed by their own durations or by the clip's rate; auto uses the durations "
        "where the first frame's contradicts the rate.",
    ),
    Argument(name="sc", kind="flag", default=1, help="Whether scene changes are left alone."),
    Argument(
        name="sc_threshold",
        kind="float",
        help="Sensitivity of the built-in scene detector, above 0 and up to 1; lower finds more.",
    ),
    Argument(
        name="sc_mode",
        kind="data",
        default="hold",
        choices=("hold", "nearest", "blend"),
        help="What is shown between the two frames at a cut: hold (the earlier), nearest, or blend (a cross-fade).",
    ),
    Argument(name="device", kind="data", default="auto", help="Where it is computed: auto, cpu, cuda, cuda:1 or mps."),
    Argument(
        name="precision",
        kind="data",
        default="auto",
        choices=("auto", "fp32", "fp16", "bf16"),
        help="Precision of convolutions; auto is fp16 on CUDA where the model allows it, else fp32.",
    ),
    Argument(name="weights", kind="data[]", help="Added weights by name, or files, for models that have them."),
    Argument(name="quality", kind="data", help="fast, balanced or best, for models that have the choice."),
    Argument(
        name="scale",
        kind="float",
        help="The size at which motion is estimated, for models that have the choice: 0.25, 0.5, 1, 2 or 4.",
    ),
    Argument(
        name="tile",
        kind="int[]",
        help="Width and height (or one number for both) of the tiles to work in, at least 64; 0 for none.",
    ),
    Argument(
        name="num_streams",
        kind="int",
        default=1,
        bounds=(1, 32),
        help="How many frames a torch model works on at once.",
    ),
    Argument(
        name="duplicates",
        kind="data",
        default="keep",
        choices=("keep", "bridge"),
        help="Whether to keep repeated frames, or to bridge them: interpolate over the whole gap.",
    ),
    Argument(
        name="mask",
        kind="vnode",
        help="A clip whose white regions are not interpolated: there the nearer source frame is shown.",
    ),
    Argument(
        name="blend",
        kind="float",
        default=1.0,
        help="How much of the new frame is shown, from 0 (only the nearer source frame) to 1.",
    ),
)

_BY_NAME = {argument.name: argument for argument in ARGUMENTS}


def signature() -> str:
    """The arguments as VapourSynth writes them, for comparison with that of the native plugin."""
    kinds = (f"{a.name}:{'int' if a.kind == 'flag' else a.kind}:opt;" for a in ARGUMENTS)
    return "clip:vnode;" + "".join(kinds)


def help_of(name: str) -> str:
    """What an argument means, in one or two sentences."""
    return _BY_NAME[name].help


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument: as given, or its default."""
    return {argument.name: given.get(argument.name, argument.default) for argument in ARGUMENTS}
