"""Enhance: restores every frame with the help of its neighbours in the same scene.

The native plugin calls `plan_enhance` when a script calls ``core.vsvfi.Enhance``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal

import vapoursynth as vs

from vsvfi.engine.base import Engine, Request
from vsvfi.engine.create import create_engine
from vsvfi.filter.arguments import complete
from vsvfi.filter.plan import check_progressive
from vsvfi.filter.settings import check_declared, check_settings
from vsvfi.filter.windows import NEXT, PREVIOUS, check_clip, detect_scenes, gather
from vsvfi.models import weights

__all__ = ["ARGUMENTS", "enhance", "plan_enhance"]

ARGUMENTS = ("model", "sc", "sc_threshold", "device", "precision", "weights", "tile", "num_streams")
"""Those that it shares with Interpolate, in order."""

DEFAULT = "memc-net-ve"
_NOW = Fraction(0)


def enhance(
    clip: vs.VideoNode,
    *,
    model: str = DEFAULT,
    sc: bool = True,
    sc_threshold: float | None = None,
    device: str = "auto",
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto",
    weights: str | Sequence[str] | None = None,
    tile: int | Sequence[int] | None = None,
    num_streams: int = 1,
) -> vs.VideoNode:
    """Restore every frame of a clip: the typed twin of ``core.vsvfi.Enhance``.

    Args:
        clip: a progressive clip of constant format and size; for super-resolution, at the size of the result.
        model: which model restores the frames; ``vsvfi models`` lists them.
        sc: whether neighbours beyond a scene change are left out.
        sc_threshold: sensitivity of the built-in scene detector, above 0 and up to 1; lower finds more.
        device: where it is computed: auto, cpu, cuda, cuda:1 or mps.
        precision: precision of convolutions; auto is fp16 on CUDA where the model allows it, else fp32.
        weights: added weights by name, or files; for memc-net-ve they say what is restored.
        tile: width and height (or one number for both) of the tiles to work in, at least 64; 0 for none.
        num_streams: how many frames are worked on at once.

    Raises:
        vapoursynth.Error: an argument is out of its range, or the model cannot be used; one line says why.
    """
    arguments = {name: value for name, value in locals().items() if name != "clip" and value is not None}
    result: vs.VideoNode = vs.core.vsvfi.Enhance(clip, **arguments)  # type: ignore[attr-defined]
    return result


def plan_enhance(clip: vs.VideoNode, **given: Any) -> dict[str, Any]:
    """The clip of restored frames.

    Raises:
        VsvfiError: anything that is wrong with clip or arguments.
    """
    arguments = complete({"model": DEFAULT, **given})
    check_declared(arguments)
    settings = check_settings(arguments, kind="enhance")
    info = settings.info
    check_clip(clip)
    if info.build:
        weights.locate(info, settings.engine.weights)
    with clip.get_frame(0) as frame:
        check_progressive(frame.props, 0)
    core = vs.core.core
    engine = create_engine(
        info,
        settings.engine,
        core,
        timesteps_after=lambda _: [_NOW],
        warn=lambda text: core.log_message(vs.MESSAGE_TYPE_WARNING, f"vsvfi.Enhance: {text}"),
    )
    source = detect_scenes(clip, settings.sc_threshold, name="Enhance") if settings.sc else clip
    restore = _restore_function(engine, info.window, clip.num_frames - 1, scenes=settings.sc)
    scale = info.spatial_scale
    size = {"width": clip.width * scale, "height": clip.height * scale}
    like: vs.VideoNode = clip.std.BlankClip(**size)  # type: ignore[attr-defined]
    return {"clip": gather(source, info.window[0], info.window[-1], restore, name="Enhance", like=like)}


def _restore_function(
    engine: Engine, window: Sequence[int], last: int, *, scenes: bool
) -> Callable[..., vs.VideoFrame]:
    def restore(*, n: int, first: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        around = dict(enumerate(frames, first))
        for number, frame in around.items():
            check_progressive(frame.props, number)
        numbers = within_scene(n, window, last, lambda k: scenes and _cut_between(around[k - 1], around[k]))
        made = engine.render(Request(n, numbers, _NOW, {number: around[number] for number in numbers}))
        made.props.update(around[n].props)
        return made

    return restore


def _cut_between(before: vs.VideoFrame, after: vs.VideoFrame) -> bool:
    return bool(before.props.get(NEXT, 0)) or bool(after.props.get(PREVIOUS, 0))


def within_scene(n: int, window: Sequence[int], last: int, cut_before: Callable[[int], bool]) -> tuple[int, ...]:
    """The frames at the offsets ``window`` from ``n``; those beyond a cut, or the clip's ends, by the nearest inside.

    ``cut_before(k)`` tells whether there is a cut between frames k - 1 and k.
    """
    begin = end = n
    while begin > max(0, n + window[0]) and not cut_before(begin):
        begin -= 1
    while end < min(last, n + window[-1]) and not cut_before(end + 1):
        end += 1
    return tuple(min(max(n + offset, begin), end) for offset in window)
