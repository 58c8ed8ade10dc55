"""Every model beside RIFE 4.26, which most people use today: time and memory for a new frame at factors 2 and 8.

Each model runs in a process of its own, so that its peak memory is its own: on a CPU what the process grows by above
the loaded network, on a GPU what is allocated, the network included. Seconds are CPU time of one thread (other programs
on the machine do not count), or GPU time.

Networks have their published size and untrained weights; the sizes are read from the recorded cases' folder
(``$VSVFI_PARITY_DIR``, or ``../shared/parity`` beside the checkout), or off the weights that ship.

Usage: python benchmarks/models.py [--size 480x270] [--device cpu] [--json FILE] [MODEL ...]
On a GPU, 1080p in fp16: --size 1920x1080 --device cuda --half
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from timesteps import Costs, made, measure, padded, published_shapes

from vsvfi.engine.tiles import in_tiles
from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo, Shapes

YARDSTICK = "rife-4.26"
KIB = 1024


def shapes_of(info: BackendInfo) -> Shapes:
    """The shapes of a model's published weights, or of those that ship; none where the network has one form only."""
    shipped = weights.bundled(info)
    if shipped is not None:
        return {name: tuple(value.shape) for name, value in weights.read(shipped).items()}
    return published_shapes().get(info.weights_of or info.name, {})


def at_factor_8(info: BackendInfo, costs: Costs) -> float | None:
    """Seconds per new frame at factor 8; none for models whose frames are too large to go through again."""
    if info.timesteps == "any":
        return costs.ours(8)
    if info.spatial_scale > 1:
        return None
    # Seven midpoints: each is a window, and three of them are encoded again.
    return (4 * costs.encode + 7 * (costs.prepare + costs.synthesize)) / 7


def work(
    model: str, size: tuple[int, int], device: torch.device, *, half: bool, tile: tuple[int, int] | None
) -> dict[str, float | None]:
    """Measure one model in this process."""
    torch.set_num_threads(1)
    info = registry.find(model)
    backend = made(info, shapes_of(info), device)
    if tile is not None:
        backend = in_tiles(backend, tile)
    frames = padded(backend, *size, device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.autocast(device.type, torch.float16, enabled=half and info.supports_half):
        costs = measure(backend, frames, device)
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KIB
    return {
        "x2": costs.ours(2),
        "x8": at_factor_8(info, costs),
        "bytes": memory,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", help="by default all but the other versions of RIFE")
    parser.add_argument("--size", default="480x270")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="fp16 where the model allows it")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tile", help="work in tiles of this width and height: WxH")
    given = parser.parse_args()
    device = torch.device(given.device)
    if given.here:
        width, height = (int(side) for side in given.size.split("x"))
        columns, rows = (int(side) for side in given.tile.split("x")) if given.tile else (0, 0)
        tile = (rows, columns) if given.tile else None
        print(json.dumps(work(given.models[0], (width, height), device, half=given.half, tile=tile)))
        return

    names = given.models or [
        name for name, info in registry.backends().items() if info.build and registry.origin(name) == "built-in"
    ]
    results: dict[str, Any] = {}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text())["models"]
    print(f"{'model':<18}{'s, x2':>9}{'s, x8':>9}{'GB':>8}{'times RIFE (x2)':>17}", flush=True)
    yardstick = 0.0
    for name in [YARDSTICK, *(name for name in names if name != YARDSTICK)]:
        # The yardstick is measured in every run, so that ratios are those of one run.
        if name == YARDSTICK or name not in results or name in given.models:
            command = [sys.executable, __file__, name, "--here", "--size", given.size, "--device", given.device]
            command += ["--half"] * given.half + (["--tile", given.tile] if given.tile else [])
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[name] = json.loads(done.stdout)
            yardstick = yardstick or results[name]["x2"]
            results[name]["times"] = results[name]["x2"] / yardstick
        row = results[name]
        at_8 = f"{row['x8']:9.3f}" if row["x8"] is not None else f"{'-':>9}"
        print(f"{name:<18}{row['x2']:9.3f}{at_8}{row['bytes'] / 1e9:8.2f}{row['times']:17.1f}", flush=True)
        if given.json:
            machine = {"size": given.size, "device": given.device, "half": given.half, "torch": torch.__version__}
            machine |= {"python": platform.python_version(), "tile": given.tile}
            if device.type == "cuda":
                machine["gpu"] = torch.cuda.get_device_name(device)
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps({"machine": machine, "models": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
