"""Quality of model="flow" on real frames, beside blending and FlowFPS of mvutensils.

    python benchmarks/flow_quality.py [--data ../shared/data] [--quick]

Middlebury's triplets, and videos whose every second frame is left out and made again. Videos are read in runs of five
frames, of which the first, third and fifth are given. A development set was looked at while tuning; a held-out set was
not. Means over clips; see `vsvfi.commands.evaluate.metrics` for what each figure is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend
from vsvfi.commands.evaluate import metrics
from vsvfi.models.info import Options, PlaneFrame

HALF = Fraction(1, 2)
core: Any = vs.core
EVERYDAY, GESTURES = "footage/everyday", "footage/gestures"
SETS = {
    "development": [
        f"{EVERYDAY}/02_cups.mp4", f"{EVERYDAY}/05_default_juggle.mp4", f"{GESTURES}/book.mkv", f"{GESTURES}/eat.mkv",
        f"{GESTURES}/milk.mkv", f"{GESTURES}/school.mkv", f"{GESTURES}/thanks.mkv",
    ],
    "held out": [
        f"{EVERYDAY}/01_dog.mp4", f"{EVERYDAY}/03_blocks.mp4", f"{EVERYDAY}/04_coffee.mp4", f"{GESTURES}/again.mkv",
        f"{GESTURES}/help.mkv", f"{GESTURES}/no.mkv", f"{GESTURES}/sister.mkv", f"{GESTURES}/student.mkv",
        f"{GESTURES}/want.mkv",
    ],
    "textured": ["car-turn.mp4", "footage/big-buck-bunny-480p-30s.mp4"],
}  # fmt: skip
COLUMNS = ("PSNR", "sharpness", "flicker", "torn per mille", "worst 96x96")

type Picture = NDArray[np.uint8]
type Make = Callable[[Sequence[Picture]], list[Picture]]
"""From frames to the frames half-way between them."""


def plane_frame(picture: Picture) -> PlaneFrame:
    """An RGB frame from OpenCV's order of channels."""
    return PlaneFrame(tuple(np.ascontiguousarray(picture[..., c]) for c in (2, 1, 0)), "RGB", 8, (0, 0), True)


def blending(frames: Sequence[Picture]) -> list[Picture]:
    return [((a.astype(np.uint16) + b + 1) // 2).astype(np.uint8) for a, b in pairwise(frames)]


def flow(quality: str) -> Make:
    backend = FlowBackend(INFOS[0], Options(quality=quality))

    def between(first: Picture, second: Picture) -> Picture:
        frames = plane_frame(first), plane_frame(second)
        planes = [np.empty(first.shape[:2], np.uint8) for _ in range(3)]
        backend.synthesize(backend.prepare(frames, [backend.encode(frame) for frame in frames]), HALF, planes)
        return np.stack(planes[::-1], 2)

    return lambda frames: [between(a, b) for a, b in pairwise(frames)]


def flow_fps(frames: Sequence[Picture]) -> list[Picture]:
    """MVTools' FlowFPS as mvutensils has it, in 16 bits so that the conversion from RGB costs it nothing."""
    height, width = frames[0].shape[:2]
    blank = core.std.BlankClip(
        width=width, height=height, format=vs.RGB24, length=len(frames), fpsnum=24, fpsden=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, channel in enumerate((2, 1, 0)):
            np.asarray(out[plane])[:] = frames[n][..., channel]
        return out

    clip = core.std.ModifyFrame(blank, blank, fill).resize.Bicubic(format=vs.YUV444P16, matrix=1)
    known = core.mvu.Super(clip, blksize=[16, 16], overlap=[8, 8], pel=2)
    both = [core.mvu.Analyse(known, blksize=[16, 16], overlap=[8, 8], delta=delta) for delta in (1, -1)]
    made = core.mvu.FlowFPS(clip, known, both, num=48, den=1).resize.Bicubic(format=vs.RGB24, matrix_in=1)
    new = [made.get_frame(n) for n in range(1, 2 * len(frames) - 2, 2)]
    return [np.stack([np.asarray(frame[plane]) for plane in (2, 1, 0)], 2) for frame in new]


def middlebury(folder: Path) -> Iterator[tuple[str, list[Picture]]]:
    for sequence in sorted(path for path in folder.iterdir() if (path / "frame10i11.png").is_file()):
        names = ("frame10", "frame10i11", "frame11")
        yield sequence.name, [np.asarray(cv2.imread(str(sequence / f"{name}.png")), np.uint8) for name in names]


def runs(path: Path, count: int) -> Iterator[list[Picture]]:
    """Five frames each, spread over a video."""
    capture = cv2.VideoCapture(str(path))
    last = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) - 6
    starts = [int(start) for start in np.linspace(4, last, count + 2)[1:-1]]
    frames: dict[int, Any] = {}
    for n in range(starts[-1] + 5):
        picture = capture.read()[1]
        if any(start <= n < start + 5 for start in starts):
            frames[n] = picture
    for start in starts:
        yield [np.asarray(frames[start + k], np.uint8) for k in range(5)]


def measure(make: Make, run: list[Picture]) -> list[float]:
    """The figures of COLUMNS, over the two new frames of a run."""
    new = make(run[::2])
    pairs = [(new[0], run[1], run[0], run[2]), (new[1], run[3], run[2], run[4])]
    return [
        float(np.mean([metrics.psnr(made, truth) for made, truth, *_ in pairs])),
        float(np.mean([metrics.sharpness(made, truth) for made, truth, *_ in pairs])),
        metrics.flicker([run[0], new[0], run[2], new[1], run[4]], run),
        float(np.mean([metrics.tearing(*pair) for pair in pairs])),
        float(np.mean([metrics.worst_place_psnr(made, truth) for made, truth, *_ in pairs])),
    ]


def print_middlebury(makers: dict[str, Make], folder: Path) -> None:
    triplets = list(middlebury(folder))
    print("\n| | " + " | ".join(name for name, _ in triplets) + " | **mean** | sharpness |")
    print("|---" * (len(triplets) + 3) + "|")
    for maker, make in makers.items():
        made = [make(frames[::2])[0] for _, frames in triplets]
        values = [metrics.psnr(new, frames[1]) for new, (_, frames) in zip(made, triplets, strict=True)]
        sharp = [metrics.sharpness(new, frames[1]) for new, (_, frames) in zip(made, triplets, strict=True)]
        cells = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {maker} | {cells} | **{np.mean(values):.2f}** | {np.mean(sharp):.3f} |", flush=True)


def print_videos(makers: dict[str, Make], data: Path, count: int) -> None:
    for name, clips in SETS.items():
        figures: dict[str, list[NDArray[np.float64]]] = {maker: [] for maker in makers}
        for clip in clips:
            sampled = list(runs(data / clip, count))
            for maker, make in makers.items():
                figures[maker].append(np.mean([measure(make, run) for run in sampled], 0))
        print(f"\n| {name}, {len(clips)} clips | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|")
        for maker, rows in figures.items():
            psnr, sharp, flicker, torn, worst = np.mean(rows, 0)
            print(f"| {maker} | {psnr:.2f} | {sharp:.3f} | {flicker:.2f} | {torn:.2f} | {worst:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--quick", action="store_true", help="one run of each video instead of three: about a minute")
    arguments = parser.parse_args()
    makers: dict[str, Make] = {"blending": blending, "FlowFPS": flow_fps}
    makers |= {quality: flow(quality) for quality in INFOS[0].qualities}
    print_middlebury(makers, arguments.data / "middlebury")
    print_videos(makers, arguments.data, 1 if arguments.quick else 3)


if __name__ == "__main__":
    main()
