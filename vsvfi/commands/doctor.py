"""`vsvfi doctor`: what is wrong with an installation, and what to do."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Finding", "examine", "report"]

MINIMUM_VAPOURSYNTH = 81
REINSTALL = "pip install --force-reinstall --no-deps vsvfi"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; a remedy says what repairs what is broken, or what adds a feature."""

    what: str
    state: Literal["good", "missing", "broken"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Run every check. None raises: what a check stumbles over is its finding."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check()
        except Exception as error:  # whatever is wrong with an installation must be reported, not thrown
            name = (check.__doc__ or check.__name__).rstrip(".")
            findings.append(Finding(name, "broken", _line(error), "report this as a bug of vsvfi doctor"))
    return findings


def report(findings: list[Finding], console: Console) -> int:
    """Print findings; 1 when something is broken, else 0."""
    marks = {"good": "[green]✓[/]", "missing": "[yellow]–[/]", "broken": "[red]✗[/]"}
    from rich.markup import escape

    for finding in findings:
        line = f"{marks[finding.state]} [bold]{finding.what}[/]: {escape(finding.detail)}"
        console.print(line, highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"    → {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    broken = sum(finding.state == "broken" for finding in findings)
    console.print(f"\n{broken} problem{'s' * (broken != 1)} found." if broken else "\nNothing is broken.")
    return 1 if broken else 0


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1]}" if text else type(error).__name__


def _vapoursynth() -> Iterator[Finding]:
    """VapourSynth."""
    try:
        vs: Any = importlib.import_module("vapoursynth")
        release = int(vs.__version__.release_major)
    except Exception as error:
        yield Finding("VapourSynth", "broken", f"cannot be imported ({_line(error)})", "pip install vapoursynth")
        return
    if release < MINIMUM_VAPOURSYNTH:
        remedy = "pip install --upgrade vapoursynth; then: vapoursynth config"
        yield Finding("VapourSynth", "broken", f"R{release} is older than R{MINIMUM_VAPOURSYNTH}", remedy)
    else:
        yield Finding("VapourSynth", "good", f"R{release}")


def _plugin() -> Iterator[Finding]:
    """Native plugin."""
    try:
        vs: Any = importlib.import_module("vapoursynth")
        core = vs.core
        folder = Path(vs.get_plugin_dir())
    except Exception:
        return  # said already
    files = sorted(path for path in folder.rglob("*vsvfi.*") if path.suffix in (".so", ".dll", ".dylib"))
    if hasattr(core, "vsvfi"):
        where = next((plugin.plugin_path for plugin in core.plugins() if plugin.namespace == "vsvfi"), None)
        yield Finding("Native plugin", "good", f"loaded from {where}")
    elif not files:
        yield Finding("Native plugin", "broken", f"there is none in {folder}", REINSTALL)
        return
    else:
        try:
            core.std.LoadPlugin(str(files[0]))
            reason = "VapourSynth did not load it by itself; is autoloading of plugins switched off?"
        except Exception as error:
            reason = _line(error)
        yield Finding("Native plugin", "broken", f"{files[0]} does not load ({reason})", REINSTALL)
        return
    try:
        frame = core.vsvfi.Interpolate(core.std.BlankClip(width=64, height=64, length=2), factor=2).get_frame(1)
        yield Finding("core.vsvfi.Interpolate", "good", f"makes a frame of {frame.width} x {frame.height}")
    except Exception as error:
        yield Finding("core.vsvfi.Interpolate", "broken", _line(error), REINSTALL)


def _python_side() -> Iterator[Finding]:
    """Python package."""
    try:
        importlib.import_module("vsvfi.filter.plugin")
        import vsvfi

        yield Finding("Python package", "good", f"vsvfi {vsvfi.__version__} at {Path(vsvfi.__file__).parent}")
    except Exception as error:
        yield Finding("Python package", "broken", f"vsvfi.filter.plugin cannot be imported ({_line(error)})", REINSTALL)


def _kernels() -> Iterator[Finding]:
    """Compiled kernels."""
    import vsvfi

    patterns = ("*vsvfi_kernels*.so", "*vsvfi_kernels*.dll", "*vsvfi_kernels*.dylib")
    files = [
        file for folder in vsvfi.__path__ for pattern in patterns for file in (Path(folder) / "compiled").glob(pattern)
    ]
    if not files:
        yield Finding("Compiled kernels", "broken", "there are none", REINSTALL)
    for file in files:
        try:
            ctypes.CDLL(str(file))
        except OSError as error:
            yield Finding("Compiled kernels", "broken", f"{file.name} does not load ({error})", REINSTALL)
            return
    if files:
        yield Finding("Compiled kernels", "good", ", ".join(sorted(file.name for file in files)))


def _vspipe() -> Iterator[Finding]:
    """Vspipe and `vapoursynth config`."""
    beside = str(Path(sys.executable).parent)
    vspipe = shutil.which("vspipe", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if vspipe is None:
        yield Finding("vspipe", "missing", "not found", "it comes with: pip install vapoursynth")
        return
    script = "import vapoursynth as vs\nprint('vsvfi' if hasattr(vs.core, 'vsvfi') else 'without')\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "doctor.vpy"
        path.write_text(script + "vs.core.std.BlankClip(length=1).set_output()\n")
        try:
            done = subprocess.run(
                [vspipe, "--info", str(path)], capture_output=True, text=True, errors="replace", timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding("vspipe", "broken", f"{vspipe} does not run ({_line(error)})", "vapoursynth config")
            return
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        last = said.splitlines()[-1] if said else f"exit status {done.returncode}"
        remedy = "run once in this environment: vapoursynth config"
        yield Finding("vspipe", "broken", f"cannot run a script ({last})", remedy)
    elif "without" in said:
        remedy = "run in the environment that vsvfi is installed in: vapoursynth config"
        yield Finding("vspipe", "broken", f"{vspipe} runs scripts where there is no core.vsvfi", remedy)
    else:
        yield Finding("vspipe", "good", f"{vspipe} runs scripts, and finds core.vsvfi there")


def _torch() -> Iterator[Finding]:
    """torch, CUDA and CuPy."""
    if importlib.util.find_spec("torch") is None:
        yield Finding(
            "torch", "missing", "not installed: models that are networks cannot run", "pip install 'vsvfi[torch]'"
        )
        return
    try:
        torch: Any = importlib.import_module("torch")
        cuda = torch.version.cuda
        available = bool(torch.cuda.is_available())
    except Exception as error:
        yield Finding("torch", "broken", f"cannot be imported ({_line(error)})", "pip install --force-reinstall torch")
        return
    yield Finding("torch", "good", f"{torch.__version__}, built {f'for CUDA {cuda}' if cuda else 'without CUDA'}")
    if available:
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
            name = f"GPU cuda:{index}"
            if free < 2**30:
                remedy = "close what else uses it, or use smaller tiles: Interpolate(..., tile=[512, 512])"
                yield Finding(name, "missing", f"{torch.cuda.get_device_name(index)}, only {memory}", remedy)
            else:
                yield Finding(name, "good", f"{torch.cuda.get_device_name(index)}, {memory}")
    elif cuda and shutil.which("nvidia-smi"):
        remedy = f"update the NVIDIA driver to one for CUDA {cuda}, or install a torch for an older CUDA"
        yield Finding("CUDA", "broken", "there is an NVIDIA driver, but torch cannot use it", remedy)
    else:
        yield Finding("CUDA", "missing", "no NVIDIA GPU that torch can use: models run on the CPU")
    if cuda:
        yield from _cupy(cuda, available)


def _cupy(cuda: str, available: bool) -> Iterator[Finding]:
    major = cuda.partition(".")[0]
    wanted = "pip install 'vsvfi[cuda12]'" if major == "12" else "pip install 'vsvfi[cuda]'"
    if importlib.util.find_spec("cupy") is None:
        if available:
            yield Finding("CuPy", "missing", "not installed: operators run without their own GPU kernels", wanted)
        return
    try:
        cupy: Any = importlib.import_module("cupy")
        version = int(cupy.cuda.runtime.runtimeGetVersion())
    except Exception as error:
        yield Finding("CuPy", "broken", f"does not work ({_line(error)})", wanted)
        return
    theirs = str(version // 1000)
    if theirs != major:
        remedy = f"pip uninstall cupy-cuda{theirs}x; then: {wanted}"
        yield Finding("CuPy", "broken", f"{cupy.__version__} is for CUDA {theirs}, torch for CUDA {major}", remedy)
    else:
        yield Finding("CuPy", "good", f"{cupy.__version__}, for CUDA {theirs} like torch")


def _encoder() -> Iterator[Finding]:
    """Encoder."""
    from vsvfi.commands import ffmpeg

    found = ffmpeg.find()
    if found is None:
        remedy = "install ffmpeg, or: pip install imageio-ffmpeg"
        yield Finding("Encoder", "missing", "no ffmpeg: vsvfi render and the demo's mp4 need one", remedy)
    elif not ffmpeg.has_encoder(found, "libx264"):
        remedy = "give another with --encoder, or: pip install imageio-ffmpeg"
        yield Finding("Encoder", "missing", f"{found} was built without libx264", remedy)
    else:
        yield Finding("Encoder", "good", found)


def _source_filter() -> Iterator[Finding]:
    """Source filter."""
    try:
        vs: Any = importlib.import_module("vapoursynth")
        there = hasattr(vs.core, "bs")
    except Exception:
        return  # said already
    if there:
        yield Finding("Source filter", "good", "BestSource (core.bs)")
    else:
        remedy = "pip install vapoursynth-bestsource"
        yield Finding("Source filter", "missing", "no BestSource: vsvfi render and compare need it", remedy)


def _packages() -> Iterator[Finding]:
    """Python packages."""
    from importlib.metadata import PackageNotFoundError, distribution, requires

    from vsvfi.errors import EXTRAS

    names = [re.split(r"[^\w.-]", line)[0] for line in requires("vsvfi") or () if "extra ==" not in line]
    lacking = []
    for name in names:
        try:
            distribution(name)
        except PackageNotFoundError:
            lacking.append(name)
    if lacking:
        remedy = f"pip install {' '.join(lacking)}"
        yield Finding("Packages", "broken", f"vsvfi needs {', '.join(lacking)}, not installed", remedy)
    else:
        yield Finding("Packages", "good", f"all {len(names)} that vsvfi needs are installed")
    for module, extra in EXTRAS.items():
        if module not in ("torch", "cupy") and importlib.util.find_spec(module) is None:
            use = {"torch": "some models that run on torch", "train": "vsvfi train"}[extra]
            yield Finding(module, "missing", f"not installed, needed by {use}", f"pip install 'vsvfi[{extra}]'")


def _plugins() -> Iterator[Finding]:
    """Models."""
    import warnings

    from vsvfi.models import registry

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        names, problems = registry.backends(), registry.problems()
    yield Finding("Models", "good" if names else "broken", f"{len(names)} known", "" if names else REINSTALL)
    for problem in problems:
        remedy = f"update or uninstall {problem.plugin}, or leave it out with VSVFI_PLUGINS"
        yield Finding(f"Plugin {problem.plugin}", "broken", problem.reason, remedy)


def _weights() -> Iterator[Finding]:
    """Weights."""
    from vsvfi.models import weights

    intact = 0
    for info in weights.networks().values():
        bundled = weights.bundled(info)
        files = [(entry.path, f"vsvfi weights add {info.name} FILE") for entry in weights.stored(info.name)]
        for path, remedy in [*files, *([(bundled, REINSTALL)] if bundled is not None else [])]:
            damage = weights.damage(path)
            if damage:
                yield Finding(f"Weights of {info.name}", "broken", f"{path}: {damage}", f"add them again: {remedy}")
            else:
                intact += 1
    yield Finding("Weights", "good", f"{intact} file{'s' * (intact != 1)} intact")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _vapoursynth,
    _python_side,
    _plugin,
    _packages,
    _kernels,
    _vspipe,
    _torch,
    _source_filter,
    _encoder,
    _plugins,
    _weights,
)
