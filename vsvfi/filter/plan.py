"""The plan of an Interpolate node: checks what the user asks for, creates the engine, says what the node has to do.

The native plugin (vsvfi/native) calls `plan_interpolate` when a script calls ``core.vsvfi.Interpolate``, and the
function ``render`` of the plan for every frame that has to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import Engine, Request, window_offsets
from vsvfi.engine.create import create_engine
from vsvfi.engine.frames import crossfade, new_frame, plane_frame, writable_planes
from vsvfi.errors import VsvfiError, error_line
from vsvfi.filter.arguments import complete
from vsvfi.filter.settings import check_declared, check_settings
from vsvfi.filter.times import check_reachable, plan_timeline
from vsvfi.filter.windows import Frames, listed, windows_node
from vsvfi.models import weights

__all__ = ["plan_interpolate"]

CUT_MODES = ("hold", "nearest", "blend")
"""As the native node numbers them."""


def check_clip(clip: vs.VideoNode) -> None:
    """Refuse clips that have no one format and size.

    Raises:
        VsvfiError: what the clip is, and what to do.
    """
    if clip.format is None or clip.format.color_family == vs.UNDEFINED:
        raise VsvfiError(
            "the clip's format varies; convert it first, for example with resize.Bicubic(format=vs.YUV420P8)"
        )
    if clip.width == 0 or clip.height == 0:
        raise VsvfiError(
            "the clip's size varies; scale it first, for example with resize.Bicubic(width=..., height=...)"
        )


def check_progressive(props: Mapping[str, Any], n: int) -> None:
    """Refuse a field-based frame.

    Raises:
        VsvfiError: frame ``n`` is interlaced by its properties.
    """
    if props.get("_FieldBased", 0) > 0:
        raise VsvfiError(
            f"frame {n} is field-based (interlaced); deinterlace the clip first (bwdif.Bwdif or QTGMC), or, "
            "if it is progressive, clear the flag with std.SetFieldBased(value=0)"
        )


def plan_interpolate(clip: vs.VideoNode, **given: Any) -> dict[str, Any]:
    """What the native node needs: timeline, window, the function that renders frames, the node that resolves windows.

    Raises:
        VsvfiError: anything that is wrong with clip or arguments.
    """
    arguments = complete(given)
    check_declared(arguments)
    settings = check_settings(arguments)
    info = settings.info
    check_clip(clip)
    timeline = plan_timeline(clip, arguments)
    depth = check_reachable(info, timeline)
    if info.build:
        weights.locate(info, settings.engine.weights)
    with clip.get_frame(0) as frame:
        check_progressive(frame.props, 0)
    core = vs.core.core
    engine = create_engine(
        info,
        settings.engine,
        core,
        timesteps_after=timeline.timesteps_after,
        warn=lambda text: core.log_message(vs.MESSAGE_TYPE_WARNING, f"vsvfi.Interpolate: {text}"),
    )
    offsets = window_offsets(info, depth)
    rate = timeline.rate(clip.fps)
    plan: dict[str, Any] = {
        "clip": clip,
        "render": _render_function(engine),
        "offsets": list(offsets),
        "cut_mode": CUT_MODES.index(settings.sc_mode),
        "always_render": int(info.spatial_scale > 1),
        "bridge": int(settings.bridge),
        "spatial_scale": info.spatial_scale,
        "fps_num": rate.numerator,
        "fps_den": rate.denominator if rate else 0,
        **timeline.encoded(),
    }
    if settings.sc or settings.bridge:
        plan["windows"] = windows_node(
            clip, offsets, scenes=settings.sc, threshold=settings.sc_threshold, bridge=settings.bridge
        )
    return plan


def _render_function(engine: Engine) -> Callable[..., dict[str, Any]]:
    def render(*, n: int, t_num: int, t_den: int, blend: int, index: int | list[int], frames: Frames) -> dict[str, Any]:
        numbers = [index] if isinstance(index, int) else list(index)
        given = listed(frames)
        try:
            for number, frame in zip(numbers, given, strict=True):
                check_progressive(frame.props, number)
            if blend:
                return {"frame": _crossfade(engine.core, given[0], given[1], t_num / t_den)}
            request = Request(n, tuple(numbers), Fraction(t_num, t_den), dict(zip(numbers, given, strict=True)))
            return {"frame": engine.render(request)}
        except BaseException as error:  # whatever a backend raises, SystemExit too, must reach the user as one line
            return {"error": error_line(error, f"model {engine.info.name!r} failed at output frame {n}")}

    return render


def _crossfade(core: vs.Core, first: vs.VideoFrame, second: vs.VideoFrame, weight: float) -> vs.VideoFrame:
    frame = new_frame(core, first)
    crossfade(plane_frame(first), plane_frame(second), weight, writable_planes(frame))
    return frame
