"""The template for plugin authors, installed into an environment of its own and used as any model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TEMPLATE = Path(__file__).resolve().parents[1] / "plugins" / "vsvfi-template"

SCRIPT = """
import vapoursynth as vs
core = vs.core
dark = core.std.BlankClip(width=64, height=48, format=vs.GRAY8, length=1, color=40)
clip = dark + core.std.BlankClip(dark, color=80)
core.vsvfi.Interpolate(clip, model={model!r}, factor=4, sc=0).set_output()
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The process environment in which the template, and no other plugin, is installed."""
    folder = tmp_path_factory.mktemp("scratch")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--no-index", "--target", folder, TEMPLATE], check=True)
    return {**os.environ, "PYTHONPATH": str(folder), "VSVFI_PLUGINS": "template"}


@pytest.mark.parametrize("model", ["cross-fade", "cross-fade-torch"])
def test_a_script_uses_it_like_a_built_in_model(scratch: dict[str, str], tmp_path: Path, model: str) -> None:
    vspipe = Path(sys.executable).with_name("vspipe")
    if not vspipe.is_file():
        pytest.skip("vspipe is not beside this Python")
    script = tmp_path / "script.vpy"
    script.write_text(SCRIPT.format(model=model))
    done = subprocess.run([vspipe, script, "-"], capture_output=True, env=scratch, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    frames = np.frombuffer(done.stdout, np.uint8).reshape(8, 48, 64)
    assert frames.reshape(8, -1).std(axis=1).max() == 0
    assert frames[:, 0, 0].tolist() == [40, 50, 60, 70, 80, 80, 80, 80]


def test_its_own_tests_pass(scratch: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, env=scratch, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_nothing_in_it_points_outside() -> None:
    """It is copied away from here: links are absolute or lead to its own files."""
    for page in TEMPLATE.rglob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).resolve().is_relative_to(TEMPLATE), target
