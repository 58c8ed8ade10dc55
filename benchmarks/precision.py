"""How far half precision moves a new frame: PSNR between what fp16 or bf16 gives and what fp32 gives.

Frames are real ones (the middle parts of Middlebury's, ``$VSVFI_DATA_DIR`` or ``../shared/data``) and those of the
recorded cases (``$VSVFI_PARITY_DIR``, or ``../shared/parity``); networks have the recorded cases' weights, those that
ship, or, where there are neither, untrained ones of the published size.

Convolutions and matrix products of halves are computed in fp32 and rounded to halves, which is what a GPU does and most
CPUs are very slow at; everything else is as in the filter, under autocast. ``--true`` computes the products in halves.

Usage: python benchmarks/precision.py [--size 256x192] [--json FILE] [--true] [MODEL ...]
"""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiles import SCENES, backend_of, frames, psnr, recorded_backends, render
from torch import Tensor

from vsvfi.models import registry
from vsvfi.models.info import BackendInfo
from vsvfi.testing.networks import QuickProducts

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


def recorded_windows(info: BackendInfo, folder: Path) -> dict[str, list[Tensor]]:
    """The frames of the recorded cases, where a case has as many as the model's window."""
    found = {}
    for path in sorted(folder.glob("case_*.npz")):
        with np.load(path) as arrays:
            flat = [torch.from_numpy(arrays[name]).float() for name in arrays if arrays[name].shape[-3:-2] == (3,)]
        inputs = [frame for frame in flat[: len(info.window)] if frame.shape[:2] == (1, 3)]
        if len(inputs) == len(info.window) and len({frame.shape for frame in inputs}) == 1:
            peak = 255.0 if max(float(frame.max()) for frame in inputs) > 2 else 1.0
            found[path.stem] = [(frame / peak).clamp(0, 1) for frame in inputs]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", help="by default all networks, RIFE's versions where they are recorded")
    parser.add_argument("--size", default="256x192")
    parser.add_argument("--true", action="store_true", help="products in halves, where the CPU has them")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    torch.set_num_threads(1)
    recorded = recorded_backends()
    names = given.models or [
        name for name, info in registry.backends().items() if info.build and (name in recorded or not _plugin(name))
    ]
    results: dict[str, Any] = {}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text())["models"]
    print(f"{'model':<18}{'fp16':>8}{'bf16':>8}", flush=True)
    for name in names:
        info = registry.find(name)
        backend = backend_of(info, recorded)
        windows = {scene: frames(scene, len(info.window), (width, height)) for scene in SCENES}
        if info.name in recorded:
            windows |= recorded_windows(info, recorded[info.name].parent)
        rows: dict[str, dict[str, float]] = {}
        for source, window in windows.items():
            full = render(backend, window)
            for precision, dtype in DTYPES.items():
                products = contextlib.nullcontext() if given.true else QuickProducts()  # type: ignore[no-untyped-call]
                with products, torch.autocast("cpu", dtype):
                    rows.setdefault(precision, {})[source] = round(psnr(full, render(backend, window)), 1)
        least = "".join(f"{min(rows[precision].values()):8.1f}" for precision in DTYPES)
        print(f"{name:<18}{least} dB", flush=True)
        results[name] = {"size": given.size, **rows}
        if given.json:
            machine = {"device": "cpu", "torch": torch.__version__, "products": "true" if given.true else "rounded"}
            given.json.write_text(json.dumps({"machine": machine, "models": results}, indent=1) + "\n")


def _plugin(name: str) -> bool:
    return registry.origin(name) != "built-in"


if __name__ == "__main__":
    main()
