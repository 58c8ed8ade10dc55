"""Speed of model="flow" at 1080p beside FlowFPS of mvutensils, in one run, and where the time goes.

    python benchmarks/flow_speed.py [--frames 24] [--threads 2]

The clip moves, turns and zooms; its frames are drawn beforehand and held in memory. Where other programs share
the machine, compare processor time rather than frames per second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend
from vsvfi.commands.clips import Clip, core
from vsvfi.compiled import flow as kernels
from vsvfi.models.info import Options, PlaneFrame

WIDTH, HEIGHT = 1920, 1080
HALF = Fraction(1, 2)
# Type, bits and the factor from 8 bits.
FORMATS = {
    "P8": (np.uint8, 8, 1),
    "P10": (np.uint16, 10, 4),
    "P16": (np.uint16, 16, 257),
    "PH": (np.float16, 16, 1 / 255),
    "PS": (np.float32, 32, 1 / 255),
}


def planes(n: int, ground: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Frame ``n`` as YUV 4:2:0."""
    height, width = ground.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.3 * n, 1 + 0.004 * n)
    moved = cv2.warpAffine(ground, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    picture = np.ascontiguousarray(moved[60 + 2 * n : 60 + 2 * n + HEIGHT, 60 + 7 * n : 60 + 7 * n + WIDTH])
    cv2.circle(picture, (300 + 60 * n, 500), 80, (30, 60, 200), -1)
    cv2.putText(picture, "a caption", (600, 1000), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 6)
    rows = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    chroma = rows[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    return [rows[:HEIGHT].copy(), chroma[0].copy(), chroma[1].copy()]


def clip_of(frames: list[list[NDArray[np.uint8]]]) -> Clip:
    blank = core.std.BlankClip(
        width=WIDTH, height=HEIGHT, format=vs.YUV420P8, length=len(frames), fpsnum=24, fpsden=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, values in enumerate(frames[n]):
            np.asarray(out[plane])[:] = values
        return out

    clip = core.std.ModifyFrame(blank, blank, fill)
    core.std.SetVideoCache(clip, mode=1, fixedsize=1, maxsize=len(frames) + 8)
    for _ in clip.frames():
        pass
    return clip


def flow_fps(clip: Clip) -> Clip:
    known = core.mvu.Super(clip, blksize=[16, 16], overlap=[8, 8], pel=2)
    both = [core.mvu.Analyse(known, blksize=[16, 16], overlap=[8, 8], delta=delta) for delta in (1, -1)]
    return core.mvu.FlowFPS(clip, known, both, num=48, den=1)


def measure(node: Clip, new: int) -> tuple[float, float]:
    """Wall and processor milliseconds for each new frame."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in node.frames():
        pass
    return (time.perf_counter() - wall) / new * 1000, (time.process_time() - processor) / new * 1000


def stages(frames: list[list[NDArray[np.uint8]]], quality: str) -> dict[str, float]:
    """Processor milliseconds of each stage of one pair of frames."""
    flow = FlowBackend(INFOS[0], Options(quality=quality))
    first, second = (PlaneFrame(tuple(frames[n]), "YUV", 8, (1, 1), False) for n in (3, 4))
    out = [np.empty_like(plane) for plane in first.planes]
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        result = work(*arguments, **options)
        spent[name] = min(spent.get(name, 1e9), (time.process_time() - start) * 1000)
        return result

    settings = flow.settings
    space = None
    for _ in range(3):
        one, two = timed("pyramid", flow.encode, first), flow.encode(second)
        forward = timed("search, each way", kernels.search, one, two, flow.search)
        backward = kernels.search(two, one, flow.search)
        vectors = timed("consistency", kernels.consistency, forward, backward, one, two, settings.cell)
        space = np.empty(kernels.projection_size(vectors), np.float32) if space is None else space
        motion = timed("project", kernels.project, vectors, HALF, space)
        timed(
            "render", kernels.render, first.planes, second.planes, first.bits, motion, HALF, out,
            tolerance=settings.tolerance, taps=settings.taps, texture=settings.texture,
        )  # fmt: skip
    return spent


def formats(frames: list[list[NDArray[np.uint8]]], quality: str) -> dict[str, float]:
    """Processor milliseconds of rendering one frame in several formats; they take turns."""
    flow = FlowBackend(INFOS[0], Options(quality=quality))
    settings = flow.settings
    seen = [PlaneFrame(tuple(frames[n]), "YUV", 8, (1, 1), False) for n in (3, 4)]
    one, two = (flow.encode(frame) for frame in seen)
    forward, backward = kernels.search(one, two, flow.search), kernels.search(two, one, flow.search)
    vectors = kernels.consistency(forward, backward, one, two, settings.cell)
    motion = kernels.project(vectors, HALF, np.empty(kernels.projection_size(vectors), np.float32))
    spent: dict[str, float] = {}
    for _ in range(9):
        for name, (dtype, bits, scale) in FORMATS.items():
            planes = [tuple((plane * np.float32(scale)).astype(dtype) for plane in frame.planes) for frame in seen]
            out = [np.zeros_like(plane) for plane in planes[0]]
            start = time.process_time()
            kernels.render(
                planes[0],
                planes[1],
                bits,
                motion,
                HALF,
                out,
                tolerance=settings.tolerance,
                taps=settings.taps,
                texture=settings.texture,
            )
            spent[name] = min(spent.get(name, 1e9), (time.process_time() - start) * 1000)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    vs.core.num_threads = arguments.threads
    rng = np.random.default_rng(1)
    coarse = cv2.resize(rng.integers(0, 255, (75, 125, 3), np.uint8), (2500, 1500), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.integers(0, 60, (500, 833, 3), np.uint8), (2500, 1500), interpolation=cv2.INTER_CUBIC)
    ground = np.asarray(cv2.addWeighted(coarse, 0.75, fine, 1.0, 0.0), np.uint8)
    frames = [planes(n, ground) for n in range(arguments.frames)]
    clip = clip_of(frames)
    print("| | wall ms | processor ms | |\n|---|---|---|---|")
    pairs = len(frames) - 1
    peer = measure(flow_fps(clip), pairs)
    print(f"| FlowFPS | {peer[0]:.1f} | {peer[1]:.1f} | a new frame at factor 2 |")
    for quality in ("fast", "balanced", "best"):
        twice = measure(core.vsvfi.Interpolate(clip, factor=2, quality=quality), pairs)
        often = measure(core.vsvfi.Interpolate(clip[:8], factor=8, quality=quality), 7 * 7)
        print(f"| {quality} | {twice[0]:.1f} | {twice[1]:.1f} | {peer[0] / twice[0]:.2f} times FlowFPS by the clock, "
              f"{peer[1] / twice[1]:.2f} by the processor |")  # fmt: skip
        print(f"| {quality}, factor 8 | {often[0]:.1f} | {often[1]:.1f} | {often[1] / twice[1]:.2f} of factor 2 |")
    for quality in ("fast", "balanced", "best"):
        print(quality, ", ".join(f"{name} {value:.1f} ms" for name, value in stages(frames, quality).items()))
        rendered = formats(frames, quality)
        print(quality, "render", ", ".join(f"{name} {value:.1f} ms" for name, value in rendered.items()))


if __name__ == "__main__":
    main()
