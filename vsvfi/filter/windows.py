"""Nodes that look at a few frames around each frame: scene detection, and the windows that the filter works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import vapoursynth as vs

from vsvfi.engine.caches import OnceCache
from vsvfi.engine.frames import number_of, plane_frame
from vsvfi.errors import VsvfiError, error_line
from vsvfi.filter import duplicates
from vsvfi.filter import scenes as detector
from vsvfi.filter.scenes import confine
from vsvfi.filter.settings import check_threshold

__all__ = ["NEXT", "PREVIOUS", "Frames", "check_clip", "detect_scenes", "gather", "listed", "windows_node"]

PREVIOUS, NEXT = "_SceneChangePrev", "_SceneChangeNext"

MAX_SIDE = 2**24
"""Samples: beyond this, positions are no longer exact in fp32."""

MAX_PIXELS = 2**30
"""Kernels count the cells of a frame in 32 bits."""

type Frames = vs.VideoFrame | list[vs.VideoFrame]
"""VapourSynth passes a list of one element as that element."""


def check_clip(clip: vs.VideoNode) -> None:
    """Refuse clips of varying format or size, and sizes that are too large.

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
    if clip.format.sample_type == vs.INTEGER and clip.format.bits_per_sample > 16:
        raise VsvfiError(
            f"the clip is {clip.format.name}: integers of 8 to 16 bits, half and float can be interpolated; convert it "
            f"first, for example with resize.Bicubic(format=vs.{clip.format.replace(bits_per_sample=16).name.upper()})"
        )
    if max(clip.width, clip.height) > MAX_SIDE or clip.width * clip.height > MAX_PIXELS:
        raise VsvfiError(
            f"frames of {clip.width}x{clip.height} are too large: at most {MAX_SIDE} samples a side and "
            f"{MAX_PIXELS} in all"
        )


def gather(
    clip: vs.VideoNode,
    first: int,
    last: int,
    func: Callable[..., vs.VideoFrame],
    *,
    name: str,
    like: vs.VideoNode | None = None,
) -> vs.VideoNode:
    """A clip whose frame n is what ``func(n=, first=, frames=)`` makes of frames n + first ... n + last of ``clip``.

    ``frames`` ends at the clip's ends; ``first`` is the number of its first frame. ``name`` is the function of ours
    that errors are reported for, ``like`` gives the result's format and size.
    """

    def guarded(*, n: int, first: int, frames: Frames) -> dict[str, Any]:
        try:
            return {"frame": func(n=n, first=first, frames=listed(frames))}
        except BaseException as error:
            return {"error": error_line(error, f"frame {n}")}

    arguments: dict[str, Any] = {"func": guarded, "first": first, "last": last, "name": name}
    if like is not None:
        arguments["like"] = like
    node: vs.VideoNode = vs.core.vsvfi.Gather(clip, **arguments)  # type: ignore[attr-defined]
    return node


def listed(frames: Frames) -> list[vs.VideoFrame]:
    """The frames as a list, however many there are."""
    return frames if isinstance(frames, list) else [frames]


def detect_scenes(clip: vs.VideoNode, threshold: float | None = None, name: str = "DetectScenes") -> vs.VideoNode:
    """Set ``_SceneChangePrev`` and ``_SceneChangeNext`` on every frame that has neither.

    Args:
        clip: any clip of constant format and size.
        threshold: in (0, 1]; the lower, the more cuts are found.
        name: the function that errors are reported for.

    Raises:
        VsvfiError: the threshold is out of its range, or the clip's format or size varies.
    """
    check_clip(clip)
    limit = check_threshold("threshold", threshold) or detector.DEFAULT_THRESHOLD
    features: OnceCache[int, detector.Features] = OnceCache(
        4 * (detector.BEFORE + detector.AFTER) + 4 * vs.core.num_threads
    )
    decisions: OnceCache[int, bool] = OnceCache(16 + 4 * vs.core.num_threads)

    def detect(*, n: int, first: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        here = frames[n - first]
        if PREVIOUS in here.props or NEXT in here.props:
            return here

        def features_of(k: int) -> detector.Features:
            return features.get(k, lambda: detector.describe(plane_frame(frames[k - first])))

        def cut_before(k: int) -> bool:
            if not first < k < first + len(frames):
                return False
            before = [features_of(j) for j in range(max(first, k - detector.BEFORE), k)]
            after = [features_of(j) for j in range(k, min(first + len(frames), k + detector.AFTER))]
            return detector.is_cut(before, after, limit)

        marked = here.copy()
        marked.props[PREVIOUS] = int(decisions.get(n, lambda: cut_before(n)))
        marked.props[NEXT] = int(decisions.get(n + 1, lambda: cut_before(n + 1)))
        return marked

    return gather(clip, -detector.BEFORE, detector.AFTER, detect, name=name)


def windows_node(
    clip: vs.VideoNode, offsets: Sequence[int], *, scenes: bool, threshold: float | None, bridge: bool
) -> vs.VideoNode:
    """For every source frame n, which frames make the window between n and the next one.

    Frame n of the result is one pixel with properties: ``VsvfiWindow`` (source frames in the order of ``offsets``),
    ``VsvfiCut`` (whether a cut follows n), ``VsvfiBegin`` and ``VsvfiEnd`` (the frames that motion is spanned between).
    """
    marked = detect_scenes(clip, threshold, name="Interpolate") if scenes else clip
    last_frame = clip.num_frames - 1
    pixel: vs.VideoNode = clip.std.BlankClip(width=1, height=1, format=vs.GRAY8)  # type: ignore[attr-defined]
    reach = duplicates.LONGEST + 1 if bridge else 0
    features: OnceCache[int, duplicates.Features] = OnceCache(4 * reach + 2 * vs.core.num_threads)

    def resolve(*, n: int, first: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        def is_boundary(k: int) -> bool:
            return first < k < first + len(frames)

        def cut_before(k: int) -> bool:
            if not scenes or not is_boundary(k):
                return False
            before, after = frames[k - 1 - first].props, frames[k - first].props
            return bool(number_of(before, NEXT)) or bool(number_of(after, PREVIOUS))

        def features_of(k: int) -> duplicates.Features:
            return features.get(k, lambda: duplicates.describe(plane_frame(frames[k - first])))

        def repeats(k: int) -> bool:
            return is_boundary(k) and duplicates.is_duplicate(features_of(k - 1), features_of(k))

        begin, end = n, min(n + 1, last_frame)
        if bridge:
            begin, end = duplicates.true_gap(n, last_frame, repeats, cut_before)
        window = [begin + offset if offset <= 0 else end + offset - 1 for offset in offsets]
        window = [min(max(k, 0), last_frame) for k in window]
        frame = vs.core.create_video_frame(pixel.format, 1, 1)
        frame.props["VsvfiWindow"] = list(confine(window, cut_before))
        frame.props["VsvfiCut"] = int(cut_before(n + 1))
        frame.props["VsvfiBegin"] = begin
        frame.props["VsvfiEnd"] = min(end, last_frame)
        return frame

    return gather(
        marked, min(offsets[0], 0) - reach, max(offsets[-1], 1) + reach, resolve, name="Interpolate", like=pixel
    )
