"""Every network and operator against the recorded results of its reference implementation."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
import torch
from conftest import parity_dir
from torch import nn

from vsvfi.models import weights

for module in sorted(Path(__file__).parent.glob("run_*.py")):
    importlib.import_module(module.stem)


class Loaded:
    """The network of one folder at a time: the larger ones have hundreds of megabytes."""

    folder: str = ""
    network: nn.Module | None = None

    def get(self, folder: Path, model: str, data: Path) -> nn.Module:
        """The network of ``model``, its weights added as a user would add a checkpoint file."""
        if self.folder != folder.name or self.network is None:
            self.network = None
            gc.collect()
            spec = harness.json.loads((folder / "spec.json").read_text())
            state = {name: torch.from_numpy(value) for name, value in harness.recipe(folder.parent).fill(spec).items()}
            file = data / "checkpoint.pth"
            torch.save(state, file)
            added = weights.add(file, model)
            self.network = weights.load(weights.networks()[model], [added.name])
            self.folder = folder.name
            added.path.unlink()
            file.unlink()
        return self.network


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    """One network in memory, shared by the cases of its folder."""
    loaded = Loaded()
    yield loaded
    loaded.network = None


def test_case(parity_case: Path, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our result is the recorded one, within the recorded tolerance."""
    case = harness.load_case(parity_case)
    folder = parity_case.parent
    if folder.name in harness.OPERATORS:
        harness.compare(case, harness.OPERATORS[folder.name](case))
        return
    assert folder.name in harness.NETWORKS, f"no runner for {folder.name}"
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    model, run = harness.NETWORKS[folder.name]
    network = loaded.get(folder, model, tmp_path)
    with torch.inference_mode():
        harness.compare(case, run(network, case))


def test_layouts_are_recognised_by_content() -> None:
    """Every folder's layout is recognised as its model's, from names and shapes alone."""
    folder = parity_dir()
    if folder is None:
        pytest.skip("no recorded cases: set VSVFI_PARITY_DIR to their folder")
    for name, (model, _) in harness.NETWORKS.items():
        spec = harness.json.loads((folder / name / "spec.json").read_text())
        shapes = {key: tuple(shape) for key, shape in spec["state_dict"].items()}
        found = [info for info, layout in weights.recognise(shapes) if not layout.part]
        assert model in {info.name for info in found}, name
        # Only the same network, trained again, has the same layout.
        assert len({info.build for info in found}) == 1, name
