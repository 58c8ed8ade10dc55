"""Where the output frames of a clip lie, from what the user asks for, and whether the model can make them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsvfi.engine.base import recursion_depth
from vsvfi.errors import VsvfiError
from vsvfi.models import registry
from vsvfi.models.availability import usable_models
from vsvfi.models.info import BackendInfo
from vsvfi.timeline import Placed, Timeline, Uniform, as_factor

__all__ = ["check_reachable", "plan_timeline"]

MAX_DEPTH = 6
"""Halvings of an interval by a midpoint-only model: factor 64."""


def plan_timeline(clip: vs.VideoNode, arguments: Mapping[str, Any]) -> Timeline:
    """Where the output frames lie; ``arguments`` are all of Interpolate's, by name.

    Raises:
        VsvfiError: arguments that contradict each other or are out of range.
    """
    factor, factor_num, factor_den = (arguments[name] for name in ("factor", "factor_num", "factor_den"))
    fps_num, fps_den = arguments["fps_num"], arguments["fps_den"]
    by_fraction = factor_num is not None or factor_den is not None
    by_rate = fps_num is not None or fps_den is not None
    if (factor is not None) + by_fraction + by_rate > 1:
        raise VsvfiError("give one of factor, factor_num/factor_den and fps_num/fps_den, not several")
    if by_rate:
        if fps_num is None:
            raise VsvfiError("fps_den needs fps_num")
        return _to_rate(clip, Fraction(fps_num, fps_den or 1))
    if by_fraction:
        if factor_num is None:
            raise VsvfiError("factor_den needs factor_num")
        return Uniform(clip.num_frames, Fraction(factor_num, factor_den or 1))
    if factor is None:
        return Uniform(clip.num_frames, Fraction(2))
    if not math.isfinite(factor) or factor <= 1:
        raise VsvfiError(f"factor must be greater than 1, got {factor:g}")
    return Uniform(clip.num_frames, as_factor(factor))


def _to_rate(clip: vs.VideoNode, fps: Fraction) -> Timeline:
    if clip.fps == 0:
        return Placed(_durations(clip), fps)
    if fps <= clip.fps:
        raise VsvfiError(f"the target rate must be above the clip's {clip.fps} fps, got {fps}")
    return Uniform(clip.num_frames, fps / clip.fps)


def _durations(clip: vs.VideoNode) -> list[Fraction]:
    durations = []
    for n, frame in enumerate(clip.frames(close=True)):
        num, den = frame.props.get("_DurationNum"), frame.props.get("_DurationDen")
        if not isinstance(num, int) or not isinstance(den, int):
            raise VsvfiError(f"frame {n} of a variable-frame-rate clip has no _DurationNum and _DurationDen")
        if num <= 0 or den <= 0:
            raise VsvfiError(f"frame {n} lasts {num}/{den} s; a duration must be above 0")
        durations.append(Fraction(num, den))
    return durations


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
