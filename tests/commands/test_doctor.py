"""`vsvfi doctor` on environments that are broken on purpose, each in one way."""

from __future__ import annotations

import importlib
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vapoursynth as vs
from rich.console import Console
from safetensors.numpy import save_file

from vsvfi.commands import doctor
from vsvfi.commands.clips import core
from vsvfi.models import registry, weights


def _only(findings: Iterator[doctor.Finding], state: str) -> doctor.Finding:
    (found,) = [finding for finding in findings if finding.state == state]
    return found


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a module of one's own where an installed one is."""

    def put(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        for loaded in [other for other in sys.modules if other.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)

    return put


def test_the_tests_own_environment_is_whole() -> None:
    for check in (doctor._vapoursynth, doctor._python_side, doctor._plugin, doctor._kernels):
        findings = list(check())
        assert findings
        assert [finding for finding in findings if finding.state != "good"] == []


def test_old_vapoursynth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vs, "__version__", SimpleNamespace(release_major=77))
    found = _only(doctor._vapoursynth(), "broken")
    assert found.detail == "R77 is older than R81"
    assert "pip install --upgrade vapoursynth" in found.remedy


def test_vapoursynth_that_cannot_be_imported(stub: Callable[[str, str], None]) -> None:
    stub("vapoursynth", "raise ImportError('libvapoursynth.so.4: cannot open shared object file')")
    found = _only(doctor._vapoursynth(), "broken")
    assert "cannot open shared object file" in found.detail
    assert list(doctor._plugin()) == []


def _fake_core(monkeypatch: pytest.MonkeyPatch, folder: Path, load: Callable[[str], None]) -> None:
    core = SimpleNamespace(std=SimpleNamespace(LoadPlugin=load), plugins=list)
    fake = SimpleNamespace(core=core, get_plugin_dir=lambda: str(folder))
    monkeypatch.setitem(sys.modules, "vapoursynth", fake)


def test_no_native_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _fake_core(monkeypatch, tmp_path, lambda path: None)
    found = _only(doctor._plugin(), "broken")
    assert found.detail == f"there is none in {tmp_path}"
    assert "--force-reinstall" in found.remedy


def test_native_plugin_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "libvsvfi.so"
    path.write_bytes(b"not a library")

    def load(path: str) -> None:
        core.std.LoadPlugin(path)

    _fake_core(monkeypatch, tmp_path, load)
    found = _only(doctor._plugin(), "broken")
    assert "libvsvfi.so does not load (" in found.detail
    assert "--force-reinstall" in found.remedy


def test_python_side_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vsvfi.filter.plugin", None)
    found = _only(doctor._python_side(), "broken")
    assert "vsvfi.filter.plugin cannot be imported" in found.detail


def test_kernels_that_do_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import vsvfi

    monkeypatch.setattr(vsvfi, "__path__", [str(tmp_path)])
    assert _only(doctor._kernels(), "broken").detail == "there are none"
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "libvsvfi_kernels.so").write_bytes(b"not a library")
    assert "libvsvfi_kernels.so does not load" in _only(doctor._kernels(), "broken").detail


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is another there")
def test_vapoursynth_config_was_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if next(doctor._vspipe()).state != "good":
        pytest.skip("vspipe does not work here to begin with")
    # Without PATH too, as VapourSynth configures itself where it finds its own command there.
    for name in ("HOME", "XDG_CONFIG_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    found = _only(doctor._vspipe(), "broken")
    assert found.detail.startswith("cannot run a script")
    assert found.remedy == "run once in this environment: vapoursynth config"


def test_no_vspipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _only(doctor._vspipe(), "missing").detail == "not found"


def test_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = _only(doctor._torch(), "missing")
    assert found.remedy == "pip install 'vsvfi[torch]'"


TORCH = """
from types import SimpleNamespace
__version__ = "2.9.0"
version = SimpleNamespace(cuda={cuda!r})
cuda = SimpleNamespace(
    is_available=lambda: {available},
    device_count=lambda: 1,
    mem_get_info=lambda index: ({free}, 24 * 2**30),
    get_device_name=lambda index: "RTX",
)
"""
CUPY = """
from types import SimpleNamespace
__version__ = "13.4"
cuda = SimpleNamespace(runtime=SimpleNamespace(runtimeGetVersion=lambda: {version}))
"""


def test_torch_that_cannot_be_imported(stub: Callable[[str, str], None]) -> None:
    stub("torch", "raise OSError('libcudart.so.13: cannot open shared object file')")
    found = _only(doctor._torch(), "broken")
    assert "libcudart.so.13" in found.detail
    assert found.remedy == "pip install --force-reinstall torch"


def test_cupy_for_another_cuda_than_torch(stub: Callable[[str, str], None]) -> None:
    stub("torch", TORCH.format(cuda="13.0", available=True, free=20 * 2**30))
    stub("cupy", CUPY.format(version=12040))
    found = _only(doctor._torch(), "broken")
    assert found.detail == "13.4 is for CUDA 12, torch for CUDA 13"
    assert found.remedy == "pip uninstall cupy-cuda12x; then: pip install 'vsvfi[cuda]'"


def test_cupy_that_does_not_work(stub: Callable[[str, str], None]) -> None:
    stub("torch", TORCH.format(cuda="12.8", available=True, free=20 * 2**30))
    stub("cupy", "raise ImportError('libnvrtc.so.12')")
    found = _only(doctor._torch(), "broken")
    assert found.detail == "does not work (ImportError: libnvrtc.so.12)"
    assert found.remedy == "pip install 'vsvfi[cuda12]'"


def test_full_gpu(stub: Callable[[str, str], None]) -> None:
    stub("torch", TORCH.format(cuda="13.0", available=True, free=100 * 2**20))
    stub("cupy", CUPY.format(version=13000))
    found = _only(doctor._torch(), "missing")
    assert found.detail == "RTX, only 0.1 of 24.0 GiB free"
    assert "tile" in found.remedy


def test_driver_that_is_too_old(
    stub: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub("torch", TORCH.format(cuda="13.0", available=False, free=0))
    stub("cupy", CUPY.format(version=13000))
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(tool))
    found = _only(doctor._torch(), "broken")
    assert "there is an NVIDIA driver, but torch cannot use it" in found.detail
    assert "CUDA 13.0" in found.remedy


def test_no_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSVFI_FFMPEG", str(tmp_path / "nothing"))
    assert "pip install imageio-ffmpeg" in _only(doctor._encoder(), "missing").remedy


def test_encoder_without_x264(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho ' V..... mpeg4  MPEG-4'\n")
    poor.chmod(0o755)
    monkeypatch.setenv("VSVFI_FFMPEG", str(poor))
    assert "was built without libx264" in _only(doctor._encoder(), "missing").detail


def test_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = registry.PluginProblem("vsvfi-broken", "ModuleNotFoundError: No module named 'nothing'")
    monkeypatch.setattr(registry, "problems", lambda: (problem,))
    found = _only(doctor._plugins(), "broken")
    assert found.what == "Plugin vsvfi-broken"
    assert "nothing" in found.detail
    assert "VSVFI_PLUGINS" in found.remedy


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file of weights where added ones are kept."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    name = next(iter(weights.networks()))
    path = tmp_path / "weights" / name / "mine.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"a": np.arange(8, dtype=np.float32)}, path)
    return path


def test_intact_weights(stored: Path) -> None:
    assert [finding.state for finding in doctor._weights()] == ["good"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda whole: whole[:-4], "truncated"),
        (lambda whole: whole[:20], "truncated"),
        (lambda whole: struct.pack("<Q", 12) + b"not any json", "not a weights file"),
        (lambda whole: b"", "not a weights file"),
    ],
)
def test_damaged_weights(stored: Path, damage: Callable[[bytes], bytes], expected: str) -> None:
    stored.write_bytes(damage(stored.read_bytes()))
    found = _only(doctor._weights(), "broken")
    assert found.detail == f"{stored}: {expected}"
    assert f"vsvfi weights add {stored.parent.name} FILE" in found.remedy


def test_report_counts_what_is_broken_and_escapes_what_it_quotes() -> None:
    said = StringIO()
    console = Console(file=said, width=200)
    findings = [
        doctor.Finding("A", "good", "fine"),
        doctor.Finding("B", "broken", "list [1] of [/x]", "pip install 'vsvfi[torch]'"),
        doctor.Finding("C", "missing", "no"),
    ]
    assert doctor.report(findings, console) == 1
    assert "list [1] of [/x]" in said.getvalue()
    assert "→ pip install 'vsvfi[torch]'" in said.getvalue()
    assert "1 problem found." in said.getvalue()
    assert doctor.report([findings[0], findings[2]], console) == 0


def test_a_check_that_stumbles_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble() -> Iterator[doctor.Finding]:
        """Stumbling block."""
        raise RuntimeError("two lines\nof text")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (stumble,))
    assert doctor.examine() == [
        doctor.Finding("Stumbling block", "broken", "RuntimeError: of text", "report this as a bug of vsvfi doctor")
    ]


def test_command_exits_with_1_when_something_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / next(iter(weights.networks()))
    folder.mkdir(parents=True)
    (folder / "bad.safetensors").write_bytes(b"")
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "torch.py").write_text(TORCH.format(cuda=None, available=False, free=0))
    environment = {**os.environ, "VSVFI_DATA": str(tmp_path), "PYTHONPATH": str(stubs)}
    done = subprocess.run(
        [sys.executable, "-m", "vsvfi", "doctor"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "bad.safetensors: not a weights file" in done.stdout
    assert "Traceback" not in done.stderr
