"""What the tuned constants of kernels/flow are worth: what new frames lose or gain where one of them is changed.

    python benchmarks/flow_constants.py [--data ../shared/data] [--quality balanced] [NAME ...]

The kernels are built once, with the constants read from the environment when the library is loaded; each variant is
measured in a process of its own. In dB unless said otherwise, as differences to the constants as they ship:

- Middlebury: PSNR of the six sequences; captions: that of the same sequences with text drawn over all three frames;
- clips: PSNR of six new frames of two development clips of everyday/; worst: of their worst 96x96 pixels;
- sharpness in per mille of the true frames' and torn blocks per mille, over all of these but the captions.

The constants of scene_difference.cpp are measured on events of benchmarks/scenes.py, of another seed than its table:

- missed cuts, and false ones, at the default threshold;
- weakest: the score that 5 % of the true cuts do not reach; strongest: what 0.1 % of all other boundaries exceed.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from flow_quality import EVERYDAY, Picture, flow, middlebury, runs
from numpy.typing import NDArray
from scenes import Material, events, ours

from vsvfi.commands.evaluate import metrics
from vsvfi.compiled import library
from vsvfi.filter import scenes

type Triplet = tuple[str, list[Picture]]
type Event = tuple[str, list[NDArray[np.uint8]], set[int]]
type Measure = Callable[[dict[str, str]], list[float]]

KERNELS = Path(__file__).resolve().parents[1] / "kernels"
CLIPS = (f"{EVERYDAY}/02_cups.mp4", f"{EVERYDAY}/05_default_juggle.mp4")
COLUMNS = ("Middlebury", "captions", "clips", "worst", "sharpness", "torn")
SCENE_COLUMNS = ("missed", "false", "weakest", "strongest")
SEED = 2
OTHER_VALUES = {
    ("patch.h", "kMaxDescent"): ("4", "16"),
    ("occlusion.cpp", "kSupport"): ("0.35", "1"),
    ("occlusion.cpp", "kSupportRadius"): ("1", "4"),
    ("scene_difference.cpp", "kFloor"): ("4.5", "18"),
    ("scene_difference.cpp", "kForgiven"): ("0.97", "1"),
    ("scene_difference.cpp", "kWorst"): ("1", "2.4"),
    ("texture.h", "kMaxGain"): ("1.25", "3"),
}
"""Where half and double are no sensible neighbours, or the value is an expression."""
NOT_TUNED = {
    "kAcrossOne", "kAround", "kBand", "kBeyond", "kDiagonal", "kDoubts", "kDownOne", "kFilteredStep", "kGrain",
    "kMargin", "kPatch", "kPhases", "kSampleOne", "kSamples", "kTile", "scene_difference.cpp kBlock",
}  # fmt: skip
"""Memory layout, resolution of tables, and geometry."""
CONSTANT = re.compile(r"^constexpr (float|double|int) (\w+) = ([^;]+);", re.MULTILINE)
FROM_ENVIRONMENT = """#pragma once
#include <cstdlib>
inline double constant(const char* name, double value) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atof(text) : value;
}
"""


@dataclass(frozen=True)
class Constant:
    file: str
    name: str
    value: str

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return f"VSVFI_{self.file.replace('.', '_')}_{self.name}"

    @property
    def shown(self) -> str:
        return re.sub(r"(?<=\d)f", "", self.value).replace("*", "x")

    @property
    def values(self) -> tuple[str, str]:
        """What it is measured with."""
        if (self.file, self.name) in OTHER_VALUES:
            return OTHER_VALUES[self.file, self.name]
        value = float(self.value.split(" ")[0].rstrip("f"))
        factor = 64 if "kSamples" in self.value else 1
        return f"{value * factor / 2:g}", f"{value * factor * 2:g}"


def tuned() -> list[Constant]:
    """The constants that are measured, in the order of files."""
    return [
        Constant(path.name, name, value)
        for path in sorted((KERNELS / "flow").iterdir())
        for _, name, value in CONSTANT.findall(path.read_text())
        if name not in NOT_TUNED and f"{path.name} {name}" not in NOT_TUNED
    ]


def build(folder: Path, constants: list[Constant]) -> Path:
    """The library of the kernels, its constants read from the environment."""
    sources = folder / "kernels"
    shutil.copytree(KERNELS, sources)
    (folder / "constant.h").write_text(FROM_ENVIRONMENT)
    for constant in constants:
        path = sources / "flow" / constant.file
        old = re.compile(rf"^constexpr (\w+) {constant.name} = ([^;]+);", re.MULTILINE)
        new = rf'static const \1 {constant.name} = static_cast<\1>(constant("{constant.variable}", \2));'
        path.write_text(old.sub(new, path.read_text()))
    out = folder / "libvariants.so"
    files = [str(path) for part in ("flow", "common") for path in sorted((sources / part).glob("*.cpp"))]
    flags = ["-std=c++17", "-O2", "-march=native", "-ffp-contract=off", "-fno-trapping-math"]
    command = [
        "g++",
        *flags,
        "-fPIC",
        "-shared",
        "-pthread",
        "-include",
        str(folder / "constant.h"),
        "-I",
        str(sources),
        *files,
        "-o",
        str(out),
    ]
    subprocess.run(command, check=True)
    return out


def with_caption(picture: Picture) -> Picture:
    out = picture.copy()
    height = picture.shape[0]
    for y, size, thickness in ((0.3, 0.5, 1), (0.6, 0.8, 2), (0.9, 1.2, 3)):
        at = (20, int(y * height))
        cv2.putText(out, "What stands still over what moves", at, 0, size, (245, 245, 245), thickness, cv2.LINE_AA)
    return out


def triplets(data: Path) -> Iterator[Triplet]:
    """Column of the table, and three frames each."""
    for _, frames in middlebury(data / "middlebury"):
        yield "Middlebury", frames
        yield "captions", [with_caption(frame) for frame in frames]
    for clip in CLIPS:
        for run in runs(data / clip, 3):
            yield "clips", run[:3]


def measure_frames(quality: str, sampled: list[Triplet], shared: Path, change: dict[str, str]) -> list[float]:
    """The figures of COLUMNS."""
    found: dict[str, list[float]] = {column: [] for column in COLUMNS}
    with loaded(shared, change):
        make = flow(quality)
        for column, (first, truth, second) in sampled:
            new = make([first, second])[0]
            found[column].append(metrics.psnr(new, truth))
            if column == "clips":
                found["worst"].append(metrics.worst_place_psnr(new, truth))
            if column != "captions":
                found["sharpness"].append(1000 * metrics.sharpness(new, truth))
                found["torn"].append(metrics.tearing(new, truth, first, second))
    return [float(np.mean(found[column])) for column in COLUMNS]


def measure_scenes(sampled: list[Event], shared: Path, change: dict[str, str]) -> list[float]:
    """The figures of SCENE_COLUMNS."""
    with loaded(shared, change):
        scores = [(score, n in cuts) for _, frames, cuts in sampled for n, score in enumerate(ours(frames)) if n]
    cuts = np.array([score for score, true in scores if true])
    others = np.array([score for score, true in scores if not true])
    missed, false = (cuts <= scenes.DEFAULT_THRESHOLD).sum(), (others > scenes.DEFAULT_THRESHOLD).sum()
    return [float(missed), float(false), float(np.quantile(cuts, 0.05)), float(np.quantile(others, 0.999))]


@contextmanager
def loaded(shared: Path, change: dict[str, str]) -> Iterator[None]:
    """The package with other kernels; once in a process."""
    with mock.patch.dict(os.environ, change), mock.patch.object(library, "require") as require:
        require.return_value = ctypes.CDLL(str(shared))
        yield


def print_table(columns: Sequence[str], constants: list[Constant], measure: Measure) -> None:
    variants = [(constant, value) for constant in constants for value in constant.values]
    changes: list[dict[str, str]] = [{}, *({constant.variable: value} for constant, value in variants)]
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        results = pool.imap(measure, changes, chunksize=1)
        base = np.array(next(results))
        print("\n| | to | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|")
        print("| as it ships | | " + " | ".join(f"{value:.3f}" for value in base) + " |", flush=True)
        for (constant, value), figures in zip(variants, results, strict=True):
            cells = " | ".join(f"{difference:+.3f}" for difference in np.array(figures) - base)
            print(f"| {constant.file} `{constant.name}` {constant.shown} | {value} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--quality", default="balanced")
    parser.add_argument("names", metavar="NAME", nargs="*", help="constants to measure instead of all")
    arguments = parser.parse_args()
    constants = tuned()
    wanted = [constant for constant in constants if not arguments.names or constant.name in arguments.names]
    of_scenes = [constant for constant in wanted if constant.file == "scene_difference.cpp"]
    of_flow = [constant for constant in wanted if constant not in of_scenes]
    with tempfile.TemporaryDirectory() as folder:
        shared = build(Path(folder), constants)
        if of_flow:
            pictures = list(triplets(arguments.data))
            print_table(COLUMNS, of_flow, partial(measure_frames, arguments.quality, pictures, shared))
        if of_scenes:
            planted = list(events(Material(arguments.data, np.random.default_rng(SEED)), 5))
            print_table(SCENE_COLUMNS, of_scenes, partial(measure_scenes, planted, shared))


if __name__ == "__main__":
    main()
