"""What a new frame costs at factor 2, 4, 8 and 16: work that does not depend on the timestep is done once.

For every model that reaches any timestep: seconds per new frame (CPU time of one thread, or GPU time)

- as the engine does it: a source frame is encoded once, a pair is prepared once, then every timestep synthesized,
- pair by pair: the same, but both frames of each pair encoded anew, as scripts that take two images do,
- frame by frame: everything anew for each new frame, as scripts that take two images and a timestep do.

Networks have their published size and untrained weights; the sizes are read from the recorded cases' folder
(``$VSVFI_PARITY_DIR``, or ``../shared/parity`` beside the checkout).

Usage: python benchmarks/timesteps.py [--size 480x270] [--device cpu] [--json FILE] [MODEL ...]
Results are added to those in FILE.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.backends.base import TorchBackend
from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo, Options, Shapes, load_object

FACTORS = (2, 4, 8, 16)
CASES = Path(os.environ.get("VSVFI_PARITY_DIR", Path(__file__).resolve().parents[2] / "shared" / "parity"))
MORE_CASES = Path(os.environ.get("VSVFI_PARITY_MORE_DIR", CASES.parent / "parity-more"))


@dataclass(frozen=True)
class Costs:
    """Seconds for a frame, a pair, and the new frames of a pair, one and ``batch`` at a time."""

    encode: float
    prepare: float
    synthesize: float
    synthesize_batch: float
    batch: int

    def _synthesis(self, count: int) -> float:
        return count // self.batch * self.synthesize_batch + count % self.batch * self.synthesize

    def ours(self, factor: int) -> float:
        """Per new frame, as the engine does it."""
        return (self.encode + self.prepare + self._synthesis(factor - 1)) / (factor - 1)

    def pair_by_pair(self, factor: int) -> float:
        """Per new frame, when both frames are encoded for each pair."""
        return self.ours(factor) + self.encode / (factor - 1)

    @property
    def frame_by_frame(self) -> float:
        """Per new frame, when nothing is kept."""
        return 2 * self.encode + self.prepare + self.synthesize


def spec_files() -> list[Path]:
    """The descriptions of the networks that cases were recorded of."""
    return [path for root in (CASES, MORE_CASES) for path in sorted(root.glob("*/spec.json"))]


def published_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    """The shapes of each model's published state dict, in our names."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for path in spec_files():
        state = json.loads(path.read_text())["state_dict"]
        shapes = {name: tuple(shape) for name, shape in state.items()}
        for info, layout in weights.recognise(shapes):
            named = ((layout.our_name(name), shape) for name, shape in shapes.items())
            ours = {name: shape for name, shape in named if name is not None}
            # The largest is the whole model; others are its parts.
            found[info.name] = max(found.get(info.name, {}), ours, key=len)
    return found


def timer(device: torch.device) -> Callable[[], float]:
    """A clock of the device's work alone: other programs on the machine do not count."""
    if device.type == "cpu":
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def made(info: BackendInfo, shapes: Shapes, device: torch.device) -> TorchBackend:
    """A backend around an untrained network of the published size."""
    network = load_object(info.build)(shapes).eval().requires_grad_(False).to(device)
    backend = load_object(info.backend)(info, network, Options())
    assert isinstance(backend, TorchBackend)
    return backend


def padded(backend: TorchBackend, width: int, height: int, device: torch.device) -> list[Tensor]:
    """Smooth random frames of the size that the engine would pad to."""
    torch.manual_seed(0)
    multiple = backend.multiple
    size = [-(-max(side, backend.info.minimum) // multiple) * multiple for side in (height, width)]
    coarse = torch.rand(len(backend.info.window), 3, 9, 16)
    smooth = functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1).to(device)
    return list(smooth.unsqueeze(1))


def measure(backend: TorchBackend, frames: list[Tensor], device: torch.device) -> Costs:
    """Every stage on its own, after a small warm-up; on a GPU, after one at full size, which chooses algorithms."""
    clock = timer(device)

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        begin = clock()
        result = work()
        return clock() - begin, result

    def stages(images: list[Tensor]) -> Costs:
        encode, first = timed(lambda: backend.encode(images[0]))
        encoded = [first, *(backend.encode(frame) for frame in images[1:])]
        prepare, state = timed(lambda: backend.prepare(images, encoded))
        step = torch.tensor([0.5], device=device)
        synthesize, _ = timed(lambda: backend.synthesize(state, step))
        batch = min(backend.timestep_batch, max(FACTORS) - 1)
        together = synthesize
        if batch > 1:
            steps = torch.arange(1, batch + 1, device=device) / (batch + 1)
            together, _ = timed(lambda: backend.synthesize(state, steps))
        return Costs(encode, prepare, synthesize, together, batch)

    with torch.inference_mode():
        size = math.lcm(64, backend.multiple)
        side = -(-max(size, backend.info.minimum) // size) * size
        if device.type == "cpu":
            stages([functional.interpolate(frame, (side, side)) for frame in frames])
        else:
            for _ in range(3):
                stages(frames)
        return stages(frames)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", help="by default all that reach any timestep")
    parser.add_argument("--size", default="480x270")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    device = torch.device(given.device)
    torch.set_num_threads(1)
    known = published_shapes()
    infos = [info for info in registry.backends().values() if info.timesteps == "any" and info.name in known]
    if given.models:
        infos = [registry.find(name) for name in given.models]

    results: dict[str, Any] = {}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text())["models"]
    print(f"{'model':<16} {'':<15}" + "".join(f"{'x' + str(factor):>9}" for factor in FACTORS), flush=True)
    for info in infos:
        backend = made(info, known[info.name], device)
        costs = measure(backend, padded(backend, width, height, device), device)
        rows = {
            "ours": [costs.ours(factor) for factor in FACTORS],
            "pair by pair": [costs.pair_by_pair(factor) for factor in FACTORS],
            "frame by frame": [costs.frame_by_frame] * len(FACTORS),
        }
        for index, (name, values) in enumerate(rows.items()):
            numbers = "".join(f"{value:9.3f}" for value in values)
            print(f"{info.name if not index else '':<16} {name:<15}{numbers}", flush=True)
        results[info.name] = {"stages": asdict(costs), "seconds per new frame": rows}
        if given.json:
            machine = {"size": given.size, "device": given.device, "threads": 1, "torch": torch.__version__}
            if device.type == "cuda":
                machine["gpu"] = torch.cuda.get_device_name(device)
            machine["python"] = platform.python_version()
            given.json.parent.mkdir(parents=True, exist_ok=True)
            report = {"machine": machine, "factors": FACTORS, "models": results}
            given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
