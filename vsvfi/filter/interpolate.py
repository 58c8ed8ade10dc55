"""The typed Python twin of ``core.vsvfi.Interpolate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import vapoursynth as vs

__all__ = ["interpolate"]


def interpolate(
    clip: vs.VideoNode,
    *,
    model: str = "flow",
    factor: float | None = None,
    factor_num: int | None = None,
    factor_den: int | None = None,
    fps_num: int | None = None,
    fps_den: int | None = None,
    fps: str | float | None = None,
    timing: Literal["auto", "durations", "rate"] = "auto",
    sc: bool = True,
    sc_threshold: float | None = None,
    sc_mode: Literal["hold", "nearest", "blend"] = "hold",
    device: str = "auto",
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto",
    weights: str | Sequence[str] | None = None,
    quality: str | None = None,
    scale: float | None = None,
    tile: int | Sequence[int] | None = None,
    num_streams: int = 1,
    duplicates: Literal["keep", "bridge"] = "keep",
    mask: vs.VideoNode | None = None,
    blend: float = 1.0,
) -> vs.VideoNode:
    """Interpolate new frames into a clip: the typed twin of ``core.vsvfi.Interpolate``.

    Args:
        clip: a progressive clip of constant format and size.
        model: which model makes the new frames; ``vsvfi models`` lists them.
        factor: output frames per source frame, above 1; 2 by default. The nearest fraction with a denominator up to
            1001 is taken.
        factor_num: with ``factor_den``, the exact factor.
        factor_den: see ``factor_num``; 1 if left out.
        fps_num: with ``fps_den``, the output's frame rate instead of a factor.
        fps_den: see ``fps_num``; 1 if left out.
        fps: the output's frame rate as a number or text: 60, 59.94 or 60000/1001. 23.976, 29.97, 59.94 and 119.88 are
            the rates of television.
        timing: whether source frames are placed by their own durations or by the clip's rate; auto uses the durations
            where the first frame's contradicts the rate.
        sc: whether scene changes are left alone.
        sc_threshold: sensitivity of the built-in scene detector, above 0 and up to 1; lower finds more.
        sc_mode: what is shown between the two frames at a cut: hold (the earlier), nearest, or blend (a cross-fade).
        device: where it is computed: auto, cpu, cuda, cuda:1 or mps.
        precision: precision of convolutions; auto is fp16 on CUDA where the model allows it, else fp32.
        weights: added weights by name, or files, for models that have them.
        quality: fast, balanced or best, for models that have the choice.
        scale: the size at which motion is estimated, for models that have the choice: 0.25, 0.5, 1, 2 or 4.
        tile: width and height (or one number for both) of the tiles to work in, at least 64; 0 for none.
        num_streams: how many frames a torch model works on at once.
        duplicates: whether to keep repeated frames, or to bridge them: interpolate over the whole gap.
        mask: a clip whose white regions are not interpolated: there the nearer source frame is shown.
        blend: how much of the new frame is shown, from 0 (only the nearer source frame) to 1.

    Raises:
        vapoursynth.Error: an argument is out of its range, or the model cannot be used; one line says why.
    """
    arguments = {name: value for name, value in locals().items() if name != "clip" and value is not None}
    result: vs.VideoNode = vs.core.vsvfi.Interpolate(clip, **arguments)  # type: ignore[attr-defined]
    return result
