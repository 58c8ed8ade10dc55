"""How far tiles move a new frame: PSNR between what tiles give and what the whole frame gives, on real frames.

Networks have the weights that ship, or those of the recorded cases (``$VSVFI_PARITY_DIR``, or ``../shared/parity``
beside the checkout): random ones, which pass on what they see from afar like no trained network does, so that these
figures are pessimistic.
Frames are the middle parts of Middlebury's (``$VSVFI_DATA_DIR``, or ``../shared/data``).

Usage: python benchmarks/tiles.py [--size 640x448] [--tile 384x384] [--overlap 128] [--json FILE] [MODEL ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timesteps import CASES, spec_files
from torch import Tensor
from torch.nn import functional

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.tiles import OVERLAP, TiledBackend
from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo, Options, load_object

DATA = Path(os.environ.get("VSVFI_DATA_DIR", Path(__file__).resolve().parents[2] / "shared" / "data")) / "middlebury"
SCENES = ("Walking", "Grove2")


def recorded_backends() -> dict[str, Path]:
    """The folder of recorded cases of each model."""
    found: dict[str, Path] = {}
    for path in spec_files():
        shapes = {name: tuple(shape) for name, shape in json.loads(path.read_text())["state_dict"].items()}
        for info, layout in weights.recognise(shapes):
            if isinstance(info, BackendInfo) and not layout.part:
                found.setdefault(info.name, path)
    return found


def backend_of(info: BackendInfo, recorded: dict[str, Path], scale: Fraction = Fraction(1)) -> TorchBackend:
    """A backend with the weights that ship, the recorded ones, or, where there are neither, untrained ones."""
    name = info.weights_of or info.name
    if name in recorded and not info.bundled:
        return _recorded(info, recorded[name], scale)
    torch.manual_seed(0)
    network = weights.load(info) if info.bundled else load_object(info.build)({})
    backend = load_object(info.backend)(info, network.eval().requires_grad_(False), Options(flow_scale=scale))
    assert isinstance(backend, TorchBackend)
    return backend


def _recorded(info: BackendInfo, path: Path, scale: Fraction) -> TorchBackend:
    spec = importlib.util.spec_from_file_location("recipe", CASES / "recipe.py")
    assert spec is not None
    assert spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    filled = {name: torch.from_numpy(value) for name, value in recipe.fill(json.loads(path.read_text())).items()}
    shapes = {name: tuple(value.shape) for name, value in filled.items()}
    layout = next(layout for found, layout in weights.recognise(shapes) if found.name == (info.weights_of or info.name))
    state = {ours: value for name, value in filled.items() if (ours := layout.our_name(name)) is not None}
    network = load_object(info.build)({name: tuple(value.shape) for name, value in state.items()})
    network.load_state_dict(state)
    backend = load_object(info.backend)(info, network.eval().requires_grad_(False), Options(flow_scale=scale))
    assert isinstance(backend, TorchBackend)
    return backend


def frames(scene: str, count: int, size: tuple[int, int]) -> list[Tensor]:
    """The middle of ``count`` frames of a scene, ``(1, 3, H, W)`` in [0, 1]: the two that there are, in turns."""
    import cv2

    width, height = size
    images = []
    for name in ("frame10.png", "frame11.png"):
        image = np.asarray(cv2.imread(str(DATA / scene / name)), np.uint8)[..., ::-1]
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        part = np.ascontiguousarray(image[top : top + height, left : left + width].transpose(2, 0, 1))
        images.append(torch.from_numpy(part)[None].float() / 255)
    return [images[index % 2] for index in range(count)]


def render(backend: TorchBackend, window: list[Tensor]) -> Tensor:
    """The frame in the middle, ``(1, 3, H, W)``."""
    height, width = window[0].shape[-2:]
    sides = (-(-side // backend.multiple) * backend.multiple for side in (height, width))
    bottom, right = (padded - side for padded, side in zip(sides, (height, width), strict=True))
    padded = [functional.pad(frame, (0, right, 0, bottom), mode="replicate") for frame in window]
    with torch.no_grad():
        state = backend.prepare(padded, [backend.encode(frame) for frame in padded])
        result = backend.synthesize(state, torch.tensor([0.5])).float().clamp(0, 1)
    scale = backend.info.spatial_scale
    return result[..., : height * scale, : width * scale]


def psnr(first: Tensor, second: Tensor) -> float:
    """In dB, of values in [0, 1]; infinite where both are the same."""
    error = (first - second).square().mean().item()
    return -10 * math.log10(error) if error else math.inf


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", help="by default all networks but RIFE's")
    parser.add_argument("--size", default="640x448")
    parser.add_argument("--tile", default="384x384", help="width x height")
    parser.add_argument("--overlap", type=int, default=OVERLAP)
    parser.add_argument("--scale", type=Fraction, default=Fraction(1))
    parser.add_argument("--scenes", nargs="*", default=SCENES)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    columns, rows = (int(side) for side in given.tile.split("x"))
    torch.set_num_threads(1)
    recorded = recorded_backends()
    known = registry.backends().items()
    names = given.models or [name for name, info in known if info.build and registry.origin(name) == "built-in"]
    results: dict[str, Any] = {}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text())["models"]
    for name in names:
        info = registry.find(name)
        whole = backend_of(info, recorded, given.scale)
        inside = info.tiling == "internal"
        tiled = whole.in_tiles((rows, columns)) if inside else TiledBackend(whole, (rows, columns), given.overlap)
        measured = []
        seconds = [0.0, 0.0]
        for scene in given.scenes:
            window = frames(scene, len(info.window), (width, height))
            pictures = []
            for index, backend in enumerate((whole, tiled)):
                begin = time.process_time()
                pictures.append(render(backend, window))
                seconds[index] += time.process_time() - begin
            measured.append(psnr(*pictures))
        text = " ".join(f"{value:7.1f}" for value in measured)
        print(f"{name:<16}{text} dB   {seconds[1] / seconds[0]:.2f} of the time", flush=True)
        values = {
            scene: None if math.isinf(value) else value for scene, value in zip(given.scenes, measured, strict=True)
        }
        results[name] = {
            "size": given.size,
            "tile": given.tile,
            "overlap": None if inside else given.overlap,
            "psnr": values,
            "time": seconds[1] / seconds[0],
        }
        if given.json:
            machine = {"device": "cpu", "torch": torch.__version__, "psnr": "in dB, null where nothing differs"}
            given.json.write_text(json.dumps({"machine": machine, "models": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
