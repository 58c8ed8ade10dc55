"""PSNR of model="flow" on real frames: Middlebury's triplets, and videos with every second frame left out.

python benchmarks/flow_quality.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend
from vsvfi.models.info import Options, PlaneFrame

HALF = Fraction(1, 2)
VIDEOS = {"car-turn.mp4": range(0, 78, 6), "footage/big-buck-bunny-480p-30s.mp4": range(300, 700, 40)}

type Triplet = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


def plane_frame(picture: NDArray[np.uint8]) -> PlaneFrame:
    """An RGB frame from OpenCV's order of channels."""
    return PlaneFrame(tuple(np.ascontiguousarray(picture[..., c]) for c in (2, 1, 0)), "RGB", 8, (0, 0), True)


def middlebury(folder: Path) -> Iterator[tuple[str, Triplet]]:
    for sequence in sorted(path for path in folder.iterdir() if (path / "frame10i11.png").is_file()):
        first, truth, second = (
            np.asarray(cv2.imread(str(sequence / f"{name}.png")), np.uint8)
            for name in ("frame10", "frame10i11", "frame11")
        )
        yield sequence.name, (first, truth, second)


def video(path: Path, starts: range) -> Iterator[Triplet]:
    capture = cv2.VideoCapture(str(path))
    wanted = {start + k for start in starts for k in range(3)}
    frames = {n: np.asarray(capture.read()[1], np.uint8) for n in range(max(wanted) + 1)}
    for start in starts:
        yield frames[start], frames[start + 1], frames[start + 2]


def psnr(flow: FlowBackend | None, triplet: Triplet) -> float:
    """In decibels, of the middle frame; of plain blending where there is no ``flow``."""
    first, truth, second = triplet
    if flow is None:
        made = np.rint((first.astype(np.float64) + second) / 2)
    else:
        frames = plane_frame(first), plane_frame(second)
        planes = [np.empty(truth.shape[:2], np.uint8) for _ in range(3)]
        flow.synthesize(flow.prepare(frames, [flow.encode(frame) for frame in frames]), HALF, planes)
        made = np.stack(planes[::-1], 2).astype(np.float64)
    return float(10 * np.log10(255**2 / np.mean((made - truth) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    data = parser.parse_args().data
    triplets = list(middlebury(data / "middlebury"))
    clips = {name: list(video(data / name, starts)) for name, starts in VIDEOS.items() if (data / name).is_file()}
    names = [name for name, _ in triplets]
    columns = [*names, "**mean**", *(Path(name).stem for name in clips), "seconds"]
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for quality in (None, *INFOS[0].qualities):
        flow = FlowBackend(INFOS[0], Options(quality=quality)) if quality else None
        start = time.perf_counter()
        values = [psnr(flow, triplet) for _, triplet in triplets]
        cells = [f"{value:.2f}" for value in values] + [f"**{np.mean(values):.2f}**"]
        cells += [f"{np.mean([psnr(flow, triplet) for triplet in clip]):.2f}" for clip in clips.values()]
        print(f"| {quality or 'blending'} | " + " | ".join(cells) + f" | {time.perf_counter() - start:.1f} |")


if __name__ == "__main__":
    main()
