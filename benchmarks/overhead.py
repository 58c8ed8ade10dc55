"""What the filter costs when the model costs nothing: milliseconds per output frame at 1920x1080 YUV420P8, factor 2.

The model returns the first frame of its window, written plane by plane into the new frame. Beside it, in the same
run, the usual pair of FrameEval and ModifyFrame doing the same, and a plain pass through std.Interleave.

Usage: python benchmarks/overhead.py [FRAMES]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsvfi.commands.clips import Clip, core

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "plugins" / "fade"))
os.environ["VSVFI_PLUGINS"] = "fade"

ROUNDS = 5


def source(frames: int) -> Clip:
    """A clip that costs nothing to make."""
    return core.std.BlankClip(width=1920, height=1080, format=vs.YUV420P8, length=frames // 2, keep=True)


def ours(clip: Clip, sc: int) -> Clip:
    """The filter with the emptiest model."""
    return core.vsvfi.Interpolate(clip, model="first", sc=sc)


def frame_eval(clip: Clip) -> Clip:
    """What plugins written in Python do."""
    doubled = core.std.Interleave([clip, clip])
    following = clip[1:] + clip[-1]

    def make(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001
        frame = vs.core.create_video_frame(f[0].format, f[0].width, f[0].height)
        for plane in range(3):
            np.asarray(frame[plane])[...] = np.asarray(f[0][plane])
        return frame

    new = core.std.ModifyFrame(clip, [clip, following], make)

    together = core.std.Interleave([clip, new])
    return core.std.FrameEval(doubled, lambda n: together if n % 2 else doubled)


def milliseconds(clip: Clip) -> float:
    """Time per output frame."""
    begin = time.perf_counter()
    for frame in clip.frames(close=True):
        frame.close()
    return (time.perf_counter() - begin) * 1000 / len(clip)


def main() -> None:
    """Print the table."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    clip = source(frames)
    candidates: dict[str, Callable[[], Clip]] = {
        "vsvfi, empty model, sc=0": lambda: ours(clip, 0),
        "vsvfi, empty model, sc=1": lambda: ours(clip, 1),
        "FrameEval + ModifyFrame": lambda: frame_eval(clip),
        "std.Interleave alone": lambda: core.std.Interleave([clip, clip]),
    }
    print(f"{vs.core.num_threads} threads, {frames} frames, best and median of {ROUNDS} rounds\n")
    print("| | best ms | median ms |\n|---|---|---|")
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, make in candidates.items():
            times[name].append(milliseconds(make()))
    for name, values in times.items():
        print(f"| {name} | {min(values):.3f} | {statistics.median(values):.3f} |")


if __name__ == "__main__":
    main()
