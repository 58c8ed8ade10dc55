"""Draw published quality against measured speed, by licence, and print the same as a table.

Usage: python benchmarks/choosing.py docs/images/choosing.png
Quality is what the papers print for Vimeo90K (vsvfi/commands/evaluate/published.json), speed what
benchmarks/models.py measured on a CPU (benchmarks/results/models-cpu.json).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from vsvfi.commands.evaluate.command import published
from vsvfi.models import registry

SPEED = Path(__file__).parent / "results" / "models-cpu.json"
DATASET = "vimeo90k-triplet"


def rows() -> list[tuple[str, float, float, bool]]:
    """Model, seconds for a frame of 480x270, PSNR in dB, commercial use; the quickest first."""
    speed = json.loads(SPEED.read_text())["models"]
    found = []
    for name, info in registry.backends().items():
        quality = published(name, DATASET).get("psnr")
        if name in speed and quality is not None:
            found.append((name, float(speed[name]["x2"]), float(quality), info.commercial_use))
    return sorted(found, key=lambda row: row[1])


def main(out: Path) -> None:
    """Write the picture, print the table."""
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for free, colour, label in ((True, "#00695c", "commercial use allowed"), (False, "#c75b39", "non-commercial")):
        chosen = [row for row in rows() if row[3] is free]
        axes.scatter([row[1] for row in chosen], [row[2] for row in chosen], color=colour, label=label, zorder=3)
        for name, seconds, quality, _ in chosen:
            axes.annotate(name, (seconds, quality), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="seconds for a new frame of 480x270, one CPU thread (less is faster)")
    axes.set(ylabel="PSNR on Vimeo90K as published, dB")
    axes.grid(visible=True, which="both", color="#e4e4e4", zorder=0)
    axes.legend(loc="lower left")
    figure.savefig(out, dpi=110)
    print("| model | PSNR, dB | s | commercial use |\n|---|---|---|---|")
    for name, seconds, quality, free in rows():
        print(f"| {name} | {quality:.2f} | {seconds:.2f} | {'yes' if free else '**no**'} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
