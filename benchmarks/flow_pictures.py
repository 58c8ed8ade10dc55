"""Draw docs/images/flow-worst.jpg: the worst places of clips, beside FlowFPS of mvutensils and the truth.

python benchmarks/flow_pictures.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from flow_quality import EVERYDAY, GESTURES, Picture, flow, flow_fps, runs

CLIPS = (
    f"{EVERYDAY}/05_default_juggle.mp4",
    f"{EVERYDAY}/03_blocks.mp4",
    f"{GESTURES}/eat.mkv",
    f"{GESTURES}/want.mkv",
)
SIDE = 176


def worst_place(made: Picture, truth: Picture) -> tuple[int, int]:
    """The upper left corner of the square of SIDE pixels with the greatest error."""
    error = ((made.astype(np.float32) - truth) ** 2).mean(2)
    means = cv2.boxFilter(error, -1, (SIDE, SIDE), anchor=(0, 0))[:-SIDE, :-SIDE]
    y, x = np.unravel_index(int(np.argmax(means)), means.shape)
    return int(y), int(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    data = parser.parse_args().data
    best, rows = flow("best"), []
    for clip in CLIPS:
        first, truth, second = next(runs(data / clip, 1))[:3]
        made = best([first, second])[0]
        y, x = worst_place(made, truth)
        peer = flow_fps([first, second])[0]
        rows.append(np.hstack([p[y : y + SIDE, x : x + SIDE] for p in (first, peer, made, truth, second)]))
    cv2.imwrite(str(root / "docs" / "images" / "flow-worst.jpg"), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
