"""Memory over long runs: ``python benchmarks/soak.py [--frames 20000]`` renders every class of format, both ways.

Each class runs in a process of its own: a clip of flat halves at 320x180 through DetectScenes and Interpolate, half of
the frames forwards, half out of order. Resident memory is read every 1,000 frames; after the first thousand it must
stay within 5 %. The result is benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "soak.json"
FORMATS = ("GRAY8", "YUV420P8", "YUV420P16", "RGBH", "RGBS")
ALLOWED = 1.05


def resident() -> float:
    """The resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(name: str, frames: int) -> dict[str, Any]:
    """Render one class of format in this process."""
    import vapoursynth as vs

    core: Any = vs.core
    shape = {"width": 320, "height": 180, "length": 50}
    gray = core.std.BlankClip(format=vs.GRAY8, **shape)
    bright = core.std.FrameEval(gray, lambda n: gray.std.BlankClip(color=(n * 37) % 256, length=50, keep=True))
    halves = core.std.StackHorizontal([bright.std.CropAbs(160, 180), gray.std.CropAbs(160, 180)])
    clip = core.resize.Bicubic(halves, format=getattr(vs, name), **({} if name[0] == "R" else {"matrix": 1}))
    long = core.std.Loop(clip, frames)
    result = core.vsvfi.Interpolate(core.vsvfi.DetectScenes(long), factor=2)
    ordered, random_part = (
        list(range(frames // 2)),
        [random.Random(1).randrange(len(result)) for _ in range(frames // 2)],
    )
    seen: list[float] = []
    began = time.perf_counter()
    for count, n in enumerate([*ordered, *random_part], 1):
        result.get_frame(n).close()
        if count % 1000 == 0:
            seen.append(round(resident(), 1))
    peak = max(seen[1:], default=seen[0])
    return {
        "format": name,
        "frames": frames,
        "seconds": round(time.perf_counter() - began, 1),
        "resident_mb": seen,
        "growth": round(peak / seen[0], 3),
    }


def main() -> int:
    """Run every class, write the result, and fail where memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--format", choices=FORMATS, help="this class alone, in this process, to standard output")
    given = parser.parse_args()
    if given.format:
        print(json.dumps(soak(given.format, given.frames)))
        return 0
    runs = []
    for name in FORMATS:
        command = [sys.executable, __file__, "--frames", str(given.frames), "--format", name]
        runs.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        print(f"{name}: {runs[-1]['resident_mb'][0]} MB, growth {runs[-1]['growth']}", flush=True)
        RESULT.write_text(json.dumps(runs, indent=1) + "\n")
    return int(any(run["growth"] > ALLOWED for run in runs))


if __name__ == "__main__":
    sys.exit(main())
