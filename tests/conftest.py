"""What the tests share."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clips import Piped

from vsvfi.models import registry
from vsvfi.models.info import Layout, NetworkInfo

PLUGINS = Path(__file__).parent / "plugins"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames: ``$VSVFI_DATA_DIR``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("VSVFI_DATA_DIR", DATA))
    if not folder.is_dir():
        pytest.skip("no real frames: set VSVFI_DATA_DIR to their folder")
    return folder


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[tuple[str, Any]]]:
    """The models of tests/plugins/fade, found as a third party's would be; the fixture counts what they are asked."""
    monkeypatch.syspath_prepend(PLUGINS / "fade")
    monkeypatch.setenv("VSVFI_PLUGINS", "fade")
    registry.reload()
    calls: Counter[tuple[str, Any]] = importlib.import_module("vsvfi_fade").CALLS
    calls.clear()
    yield calls
    registry.reload()


@pytest.fixture
def expect_shape(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, tuple[int, ...]], None]:
    """Makes layouts that check the shape of a tensor expect another one: that of a small network."""

    def expect(tensor: str, shape: tuple[int, ...]) -> None:
        def changed(layout: Layout) -> Layout:
            shapes = tuple((name, shape if name == tensor else known) for name, known in layout.shapes)
            return replace(layout, shapes=shapes)

        def described[I: NetworkInfo](infos: Mapping[str, I]) -> dict[str, I]:
            return {name: replace(info, layouts=tuple(map(changed, info.layouts))) for name, info in infos.items()}

        models, networks = described(registry.backends()), described(registry.networks())
        monkeypatch.setattr(registry, "backends", lambda: models)
        monkeypatch.setattr(registry, "networks", lambda: networks)

    return expect


@pytest.fixture
def vspipe(tmp_path: Path) -> Callable[..., Piped]:
    """Runs a script in a real vspipe process, with the test models at hand."""
    program = Path(sys.executable).with_name("vspipe")
    if not program.is_file():
        pytest.skip("vspipe is not beside this Python")

    def run(script: str, *arguments: str, output: str = ".") -> Piped:
        path = tmp_path / "script.vpy"
        path.write_text(f"import vapoursynth as vs\ncore = vs.core\n{script}\n")
        environment = {**os.environ, "PYTHONPATH": str(PLUGINS / "fade"), "VSVFI_PLUGINS": "fade"}
        command = [str(program), *arguments, str(path), output]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
        return Piped(done.returncode, done.stdout, done.stderr.decode())

    return run
