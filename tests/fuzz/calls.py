"""Random calls of every function of ``core.vsvfi``, as source code that a child process runs."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from vsvfi.filter.arguments import ARGUMENTS, Argument

__all__ = ["calls"]

MODELS = (
    "flow",
    "fade",
    "fade-four",
    "first",
    "torch-fade",
    "torch-midpoint",
    "torch-four",
    "torch-large",
    "torch-batch",
)
FORMATS = (
    "GRAY8",
    "GRAY9",
    "GRAY16",
    "GRAY32",
    "GRAYH",
    "GRAYS",
    "YUV420P8",
    "YUV422P10",
    "YUV444P16",
    "YUV410P8",
    "YUV411P8",
    "YUV440P8",
    "YUV444PS",
    "YUV420PH",
    "RGB24",
    "RGB30",
    "RGB48",
    "RGBH",
    "RGBS",
)
PROPERTIES = (
    "_Matrix", "_Range", "_ColorRange", "_ChromaLocation", "_FieldBased", "_SceneChangePrev", "_SceneChangeNext",
    "_AbsoluteTime", "_DurationNum", "_DurationDen", "_Transfer", "VsvfiMask",
)  # fmt: skip

sizes = st.one_of(st.integers(1, 70), st.sampled_from([1, 2, 3, 128, 640, 3000, 131_073, 2**24 + 1, 2**31 - 1]))
numbers = st.one_of(st.integers(-3, 70), st.sampled_from([0, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63)]))
floats = st.one_of(st.floats(allow_subnormal=False), st.sampled_from([0.5, 1.0001, 2, 2.5, 24 / 1001, 1e308]))
texts = st.one_of(
    st.text(max_size=12), st.sampled_from(["", "auto", "cpu", "cuda:9", "60000/1001", "1e999999999", "x" * 300])
)
data = st.one_of(texts, st.binary(max_size=6))
durations = st.one_of(
    st.builds("Fraction({}, {})".format, st.integers(1, 3), st.sampled_from([1, 24, 1000, 90_000])),
    st.builds("Fraction({}, {})".format, numbers, st.integers(1, 2**62)),
)


def _value(argument: Argument) -> SearchStrategy[str]:
    """The source text of a value: mostly one that is allowed."""
    allowed: list[SearchStrategy[object]] = []
    if argument.name == "model":
        return st.one_of(st.sampled_from(MODELS), data).map(repr)
    if argument.name == "mask":
        return st.sampled_from(["clip", "clip.std.CropAbs(1, 1)", "core.std.BlankClip(format=vs.GRAY8, length=1)"])
    if argument.choices:
        allowed.append(st.sampled_from(argument.choices))
    by_kind: dict[str, SearchStrategy[object]] = {
        "int": numbers,
        "flag": st.integers(-1, 2),
        "float": floats,
        "data": data,
        "int[]": st.lists(numbers, max_size=4),
        "data[]": st.lists(data, max_size=3),
    }
    return st.one_of(*allowed, by_kind.get(argument.kind, data)).map(_source)


def _source(value: object) -> str:
    return f"float({str(value)!r})" if isinstance(value, float) else repr(value)


@st.composite
def _clip(draw: st.DrawFn) -> str:
    width, height = draw(sizes), draw(sizes)
    if width * height > 2**22:  # one side may be as long as the core allows, and memory is somebody else's too
        width, height = (width, 1) if width > height else (1, height)
    name, length = draw(st.sampled_from(FORMATS)), draw(st.integers(1, 9))
    lines = [
        f"clip = core.std.BlankClip(width={width}, height={height}, format=vs.{name}, length={length}, keep=True)",
        f"if {width} * {height} < 20_000: clip = noise(length={length}, form=vs.{name}, size=({width}, {height}))",
    ]
    if draw(st.booleans()):
        lasts = draw(st.lists(durations, min_size=length, max_size=length))
        lines.append(f"clip = without_rate(clip, [{', '.join(lasts)}])")
    for prop in draw(st.lists(st.sampled_from(PROPERTIES), max_size=2)):
        value = draw(st.one_of(st.integers(0, 9), numbers, data, st.lists(st.integers(0, 3), min_size=2, max_size=3)))
        lines.append(f"clip = clip.std.SetFrameProps({prop}={value!r})")
    return "\n".join(lines)


@st.composite
def calls(draw: st.DrawFn) -> str:
    """A clip, a call, and some frames of what it returns."""
    function = draw(st.sampled_from(["Interpolate"] * 6 + ["DetectScenes", "Gather", "Bind"]))
    if function == "Interpolate":
        chosen = draw(st.lists(st.sampled_from(ARGUMENTS), max_size=4, unique_by=lambda argument: argument.name))
        given = ", ".join(f"{argument.name}={draw(_value(argument))}" for argument in chosen)
    elif function == "DetectScenes":
        given = draw(st.one_of(st.just(""), floats.map(lambda value: f"threshold={_source(value)}")))
    elif function == "Gather":
        given = "func=lambda n, first, frames: 1, first=0, last=0, name='x'"
    else:
        given = "impl=lambda: 1"
    call = f"result = core.vsvfi.{function}({'' if function == 'Bind' else 'clip, '}{given})"
    wanted = draw(st.lists(st.integers(0, 2**31), min_size=1, max_size=3))
    frames = "\n".join(f"result.get_frame({n} % result.num_frames).close()" for n in wanted)
    return f"from fractions import Fraction\n{draw(_clip())}\n{call}\n{frames}\nresult = ''"
