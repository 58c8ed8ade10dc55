"""Whether memory stays flat over a long film: the frames that a render encodes, without the encoder.

    python benchmarks/long_film.py FILM [--frames 170000] [--width 320 --height 180] [--seconds 3000]

48 frames of a film, held in memory, are looped until the film is as long as asked for; resident memory of this process
is read a hundred times on the way (Linux).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from vsvfi.commands.clips import clip_of_frames, core

HELD = 48


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Print resident memory along the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--frames", type=int, default=170_000, help="of the source; two hours at 24 a second")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--seconds", type=float, default=3000, help="stop after so long")
    arguments = parser.parse_args()
    source = core.bs.VideoSource(str(arguments.film))
    source = source.resize.Bicubic(arguments.width, arguments.height)[100 : 100 + HELD]
    held = clip_of_frames(list(source.frames(close=False)), source)
    clip = core.std.Loop(held, arguments.frames // HELD + 1)[: arguments.frames]
    clip = core.vsvfi.Interpolate(clip, quality="fast", factor=2)
    begun, step = time.monotonic(), max(1, len(clip) // 100)
    print("| output frames | seconds | resident MiB |\n|---|---|---|")
    for number, _ in enumerate(clip.frames(close=True), 1):
        if number % step == 0:
            elapsed = time.monotonic() - begun
            print(f"| {number} | {elapsed:.0f} | {resident_mib():.0f} |", flush=True)
            if elapsed > arguments.seconds:
                break


if __name__ == "__main__":
    main()
