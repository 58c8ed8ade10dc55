"""How good JNMR is: PSNR in dB beside frame blending, model="flow" at its best quality, and MVTools FlowFPS.

Every method runs through VapourSynth on the same RGB frames, at factor 2:
  car        car-turn.mp4 with every second frame dropped, measured on the dropped ones
  middlebury two frames of each sequence, so that the outer frames of a window repeat the inner ones
  scenes     held-out generated scenes of four frames with accelerated motion, 256x256, measured in the middle

Usage: python benchmarks/jnmr.py DATA [--weights FILE] [--methods blend,flow,mvtools,jnmr] [--scenes 24] [--out JSON]
DATA holds car-turn.mp4 and middlebury/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.commands.clips import Clip, core

type Picture = NDArray[np.uint8]
type Method = Callable[[Clip], Clip]


def clip_of(pictures: Sequence[Picture]) -> Clip:
    """An RGB24 clip of pictures ``(H, W, 3)``."""
    height, width = pictures[0].shape[:2]
    blank = core.std.BlankClip(
        width=width, height=height, format=vs.RGB24, length=len(pictures), fpsnum=25, fpsden=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[...] = pictures[n][..., plane]
        return frame

    return core.std.ModifyFrame(blank, blank, fill)


def picture_of(clip: Clip, n: int) -> Picture:
    """Frame ``n`` of an RGB24 clip."""
    with clip.get_frame(n) as frame:
        return np.stack([np.asarray(frame[plane]) for plane in range(3)], -1)


def blend(clip: Clip) -> Clip:
    """The mean of two frames."""
    middle = core.std.Merge(clip, clip[1:] + clip[-1])
    return core.std.Interleave([clip, middle])


def mvtools(clip: Clip) -> Clip:
    """FlowFPS with half-pixel vectors of overlapping 16x16 blocks, in 4:4:4."""
    yuv = clip.resize.Bicubic(format=vs.YUV444P8, matrix_s="709", range_s="full")
    prepared = yuv.mv.Super(pel=2)
    vectors = [prepared.mv.Analyse(blksize=16, overlap=8, isb=backward) for backward in (True, False)]
    double = yuv.mv.FlowFPS(prepared, *vectors, num=50, den=1, thscd1=10000)
    return double.resize.Bicubic(format=vs.RGB24, matrix_in_s="709", range_in_s="full")


def methods(weights: str | None) -> dict[str, Method]:
    """What is compared."""
    own: dict[str, Any] = {} if weights is None else {"weights": [weights]}
    return {
        "blend": blend,
        "mvtools": mvtools,
        "flow": lambda clip: clip.vsvfi.Interpolate(model="flow", quality="best", factor=2, sc=0),
        "jnmr": lambda clip: clip.vsvfi.Interpolate(model="jnmr", factor=2, sc=0, device="cpu", **own),
    }


def psnr(first: Picture, second: Picture) -> float:
    """In dB, over the three channels."""
    return float(10 * np.log10(255**2 / np.mean((first.astype(np.float64) - second) ** 2)))


def car(folder: Path, method: Method, every: int = 1) -> dict[str, float]:
    """PSNR of each dropped frame, of every ``every``-th."""
    capture = cv2.VideoCapture(str(folder / "car-turn.mp4"))
    frames = []
    while (read := capture.read())[0]:
        frames.append(np.ascontiguousarray(read[1][..., ::-1], np.uint8))
    made = method(clip_of(frames[::2]))
    return {str(n): psnr(picture_of(made, n), frames[n]) for n in range(1, len(frames) - 1, 2 * every)}


def middlebury(folder: Path, method: Method) -> dict[str, float]:
    """PSNR of each sequence."""
    result = {}
    for sequence in sorted((folder / "middlebury").iterdir()):
        names = ("frame10.png", "frame11.png", "frame10i11.png")
        first, second, truth = (
            np.ascontiguousarray(np.asarray(cv2.imread(str(sequence / name)), np.uint8)[..., ::-1]) for name in names
        )
        result[sequence.name] = psnr(picture_of(method(clip_of([first, second])), 1), truth)
    return result


def scenes(count: int, method: Method) -> dict[str, float]:
    """PSNR of each held-out scene."""
    import torch

    from vsvfi.train.scenes import Scenes, SceneStyle, render
    from vsvfi.train.textures import draw_bank

    size = (256, 256)
    bank = torch.from_numpy(draw_bank(77, 24, 512))
    style = SceneStyle(max_acceleration=1.0, lighting=0, overlay=0)
    result = {}
    for index in range(count):
        scene = Scenes.generate(77, [index] * 5, size=size, textures=len(bank), texture_size=512, style=style)
        times = torch.tensor([-1.5, -0.5, 0, 0.5, 1.5])
        drawn = render(scene.to(torch.from_numpy), times, bank, size=size)
        pictures = (drawn * 255 + 0.5).clamp(0, 255).byte().numpy()
        made = method(clip_of([pictures[i] for i in (0, 1, 3, 4)]))
        result[str(index)] = psnr(picture_of(made, 3), pictures[2])
    return result


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--methods", default="blend,mvtools,flow,jnmr")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--every", type=int, default=1, help="only every so many frames of car-turn.mp4")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    vs.core.num_threads = min(2, os.cpu_count() or 1)
    results: dict[str, dict[str, Any]] = {}
    for name in given.methods.split(","):
        method = methods(given.weights)[name]
        parts = {
            "car": car(given.data, method, given.every),
            "middlebury": middlebury(given.data, method),
            "scenes": scenes(given.scenes, method),
        }
        means = {part: round(float(np.mean(list(values.values()))), 3) for part, values in parts.items()}
        results[name] = {"mean": means, "parts": parts}
        print(f"{name:10}", "  ".join(f"{part} {value:.2f}" for part, value in means.items()), flush=True)
    if given.out:
        machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
        given.out.write_text(
            json.dumps({"machine": machine, "every": given.every, "results": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
