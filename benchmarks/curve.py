"""Draw the curve of a training run: the loss, and what was measured along the way.

Usage: python benchmarks/curve.py FOLDER/log.jsonl OUT.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt


def main(log: Path, out: Path) -> None:
    """Read the log, write the picture."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    losses = [(line["step"], line["charbonnier"]) for line in lines if "charbonnier" in line]
    steps, values = np.array(losses).T
    window = max(1, len(values) // 20)
    smooth = np.convolve(values, np.ones(window) / window, "valid")
    left.plot(steps, values, color="#b9d3d0")
    left.plot(steps[window - 1 :], smooth, color="#00695c")
    left.set(xlabel="step", ylabel="Charbonnier loss, as the run counts it", title="training (pale: single batches)")
    names = sorted({name for line in lines for name in line if name.startswith("validation/")})
    for name in names:
        points = [(line["step"], line[name]) for line in lines if name in line]
        right.plot(*np.array(points).T, marker="o", label=name.removeprefix("validation/"))
    right.set(xlabel="step", ylabel="PSNR, dB", title="validation")
    right.legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
