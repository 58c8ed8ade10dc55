"""Where the output frames of a clip lie, from the user's arguments, and whether the model can make them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import recursion_depth
from vsvfi.errors import VsvfiError
from vsvfi.filter.durations import durations_to_place_by
from vsvfi.models import registry
from vsvfi.models.availability import usable_models
from vsvfi.models.info import BackendInfo
from vsvfi.timeline import Placed, Timeline, Uniform, as_factor, as_rate

__all__ = ["check_reachable", "plan_timeline"]

MAX_DEPTH = 6
"""Halvings of an interval by a midpoint-only model: factor 64."""


def plan_timeline(clip: vs.VideoNode, arguments: Mapping[str, Any]) -> Timeline:
    """Where the output frames lie; ``arguments`` are all of Interpolate's, by name.

    Raises:
        VsvfiError: arguments that contradict each other or are out of range.
    """
    factor, factor_num, factor_den = (arguments[name] for name in ("factor", "factor_num", "factor_den"))
    fps_num, fps_den, fps = (arguments[name] for name in ("fps_num", "fps_den", "fps"))
    by_fraction = factor_num is not None or factor_den is not None
    by_rate = fps_num is not None or fps_den is not None
    if (factor is not None) + (fps is not None) + by_fraction + by_rate > 1:
        raise VsvfiError("give one of factor, factor_num/factor_den, fps and fps_num/fps_den, not several")
    if fps is not None:
        return _to_rate(clip, as_rate("fps", fps), arguments["timing"])
    if by_rate:
        if fps_num is None:
            raise VsvfiError("fps_den needs fps_num")
        hint = "; fps_num takes whole numbers: give 59.94 as fps=59.94" if fps_den is None else ""
        return _to_rate(clip, Fraction(fps_num, fps_den or 1), arguments["timing"], hint)
    if by_fraction:
        if factor_num is None:
            raise VsvfiError("factor_den needs factor_num")
        return _by_factor(clip, Fraction(factor_num, factor_den or 1), arguments["timing"])
    if factor is None:
        return _by_factor(clip, Fraction(2), arguments["timing"])
    if not math.isfinite(factor) or factor <= 1:
        raise VsvfiError(f"factor must be greater than 1, got {factor:g}")
    return _by_factor(clip, as_factor(factor), arguments["timing"])


def _by_factor(clip: vs.VideoNode, factor: Fraction, timing: str) -> Timeline:
    even = Uniform(clip.num_frames, factor)
    if clip.fps == 0:
        return even  # divides the duration of every frame
    durations = durations_to_place_by(clip, timing)
    return even if durations is None else Placed(durations, clip.fps * factor)


def _to_rate(clip: vs.VideoNode, fps: Fraction, timing: str, hint: str = "") -> Timeline:
    if clip.fps != 0 and fps <= clip.fps:
        raise VsvfiError(f"the target rate must be above the clip's {clip.fps} fps, got {fps}{hint}")
    durations = durations_to_place_by(clip, timing)
    return Uniform(clip.num_frames, fps / clip.fps) if durations is None else Placed(durations, fps)


def check_reachable(info: BackendInfo, timeline: Timeline) -> int:
    """How often midpoints must be halved for every timestep of the timeline (0 for models of any timestep).

    Raises:
        VsvfiError: the model only makes midpoints, and some timestep is not reached by halving.
    """
    if info.timesteps == "any":
        return 0
    limit = 1 if info.spatial_scale > 1 else MAX_DEPTH
    depth = 0
    for t in timeline.timesteps():
        reached = recursion_depth(t)
        if reached is None or reached > limit:
            others = [other.name for other in registry.backends().values() if other.timesteps == "any"]
            usable = [name for name in usable_models() if name in others]
            factors = ", ".join(str(2**k) for k in range(1, min(limit, 4) + 1)) + (" ..." if limit > 4 else "")
            raise VsvfiError(
                f"model {info.name!r} makes midpoints only and cannot reach timestep {t}; use factor {factors}, "
                f"or one of the {len(others)} models for any timestep (vsvfi models; usable now: {', '.join(usable)})"
            )
        depth = max(depth, reached)
    return depth
