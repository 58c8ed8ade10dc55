"""The plan of an Interpolate node: checks the user's arguments, creates the engine, describes the node's work.

The native plugin (vsvfi/native) calls `plan_interpolate` when a script calls ``core.vsvfi.Interpolate``, and the
function ``render`` of the plan for every frame that has to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import Engine, Request, window_offsets
from vsvfi.engine.create import create_engine
from vsvfi.engine.frames import crossfade, new_frame, number_of, plane_frame, writable_planes
from vsvfi.errors import VsvfiError, error_line
from vsvfi.filter.arguments import complete
from vsvfi.filter.durations import agrees, check_duration
from vsvfi.filter.masks import attach, mixed
from vsvfi.filter.settings import check_declared, check_settings
from vsvfi.filter.times import check_reachable, plan_timeline
from vsvfi.filter.windows import Frames, check_clip, listed, windows_node
from vsvfi.models import weights
from vsvfi.timeline import Uniform

__all__ = ["plan_interpolate"]

CUT_MODES = ("hold", "nearest", "blend")
"""As the native node numbers them."""


def check_progressive(props: Mapping[str, Any], n: int) -> None:
    """Refuse a field-based frame.

    Raises:
        VsvfiError: frame ``n`` is interlaced by its properties.
    """
    if (number_of(props, "_FieldBased") or 0) > 0:
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
    if info.build:
        weights.locate(info, settings.engine.weights)
    source = clip if arguments["mask"] is None else attach(clip, arguments["mask"])
    timeline = plan_timeline(clip, arguments)
    depth = check_reachable(info, timeline)
    with clip.get_frame(0) as frame:
        check_progressive(frame.props, 0)
        steady = isinstance(timeline, Uniform) and arguments["timing"] == "auto" and agrees(frame.props, clip.fps)
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
    if max(rate.as_integer_ratio()) >= 2**63:
        raise VsvfiError(
            f"the output's frame rate would be {rate}, beyond 64 bits; give the clip a simpler rate with std.AssumeFPS"
        )
    plan: dict[str, Any] = {
        "clip": source,
        "render": _render_function(engine, offsets, settings.blend, clip if steady else None),
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


def _render_function(
    engine: Engine, offsets: Sequence[int], blend_in: float, steady: vs.VideoNode | None
) -> Callable[..., dict[str, Any]]:
    """What makes the new frames; ``steady`` is the clip where every frame must last as long as its rate says."""
    sides = offsets.index(0), offsets.index(1)

    def render(*, n: int, t_num: int, t_den: int, blend: int, index: int | list[int], frames: Frames) -> dict[str, Any]:
        numbers = [index] if isinstance(index, int) else list(index)
        given = listed(frames)
        try:
            for number, frame in zip(numbers, given, strict=True):
                check_progressive(frame.props, number)
                if steady is not None and number < steady.num_frames - 1:
                    check_duration(frame.props, number, steady.fps)
            t = Fraction(t_num, t_den)
            if blend:
                made, pair = _crossfade(engine.core, given[0], given[1], t_num / t_den), given[:2]
            else:
                made = engine.render(Request(n, tuple(numbers), t, dict(zip(numbers, given, strict=True))))
                pair = [given[side] for side in sides]
            return {"frame": mixed(engine.core, made, pair, t, blend_in)}
        except BaseException as error:  # whatever a backend raises, SystemExit too, must reach the user as one line
            return {"error": error_line(error, f"model {engine.info.name!r} failed at output frame {n}")}

    return render


def _crossfade(core: vs.Core, first: vs.VideoFrame, second: vs.VideoFrame, weight: float) -> vs.VideoFrame:
    frame = new_frame(core, first)
    crossfade(plane_frame(first), plane_frame(second), weight, writable_planes(frame))
    return frame
