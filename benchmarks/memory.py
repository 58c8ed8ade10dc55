"""Whether memory stays bounded: resident memory of a vspipe process over 5,000 output frames.

Usage: python benchmarks/memory.py [MODEL] [FRAMES] (Linux)

The C library is held to one arena: with an arena a thread, what one thread frees another cannot use, and resident
memory creeps by some tens of MiB over the first ten thousand frames before it settles, whatever the filter keeps.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import vapoursynth

SAMPLES = 10

SCRIPT = """
import vapoursynth as vs
core = vs.core
core.max_cache_size = 64  # what VapourSynth itself may keep, so that growth beyond it is the filter's
shape = dict(width=640, height=360, format=vs.YUV420P8, length=1)
shades = core.std.Splice([core.std.BlankClip(**shape, color=[60 + 2 * k, 128, 128]) for k in range(16)])
clip = core.std.Loop(shades, {loops})[:{frames} // 2]
core.vsvfi.Interpolate(clip, model="{model}", factor=2).set_output()
"""


def resident_mib(process: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def readings(model: str, frames: int) -> list[tuple[int, float]]:
    """Frames written so far and resident memory, about `SAMPLES` times along the way."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "memory.vpy"
        script.write_text(SCRIPT.format(model=model, frames=frames, loops=frames // 32 + 1))
        vspipe = Path(vapoursynth.__file__).with_name("vspipe")  # the program itself: the one on the PATH starts it
        process = subprocess.Popen(
            [vspipe, "-p", script, "."], stderr=subprocess.PIPE, env=dict(os.environ, MALLOC_ARENA_MAX="1")
        )
        found: list[tuple[int, float]] = []
        text = b""
        assert isinstance(process.stderr, io.BufferedReader)
        while chunk := process.stderr.read1(4096):
            text = (text + chunk)[-4096:]
            done = re.findall(rb"Frame: (\d+)/", text)
            if done and int(done[-1]) >= (len(found) + 1) * frames // SAMPLES and process.poll() is None:
                found.append((int(done[-1]), resident_mib(process.pid)))
        if process.wait() != 0:
            sys.exit(text.decode())
        return found


def main() -> None:
    """Print resident memory along the way, and whether it is flat within 5 %."""
    model = sys.argv[1] if len(sys.argv) > 1 else "flow"
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    print(f"model {model}, 640x360 YUV420P8, factor 2, through vspipe\n\n| output frames | resident MiB |\n|---|---|")
    found = readings(model, frames)
    for n, resident in found:
        print(f"| {n} | {resident:.0f} |")
    settled = [resident for _, resident in found[1:]]
    spread = (max(settled) - min(settled)) / min(settled)
    print(f"\nspread after the first tenth: {spread:.1%} ({'flat' if spread <= 0.05 else 'NOT FLAT'} within 5 %)")


if __name__ == "__main__":
    main()
