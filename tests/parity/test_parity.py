"""Every network and operator against the recorded results of its reference implementation, one folder for each.

They lie under `$VSVFI_PARITY_DIR`, by default ``../shared/parity`` beside the checkout, and under
`$VSVFI_PARITY_MORE_DIR`, by default the folder ``parity-more`` beside the former.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
import torch
from torch import nn

from vsvfi.models import weights

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "parity"
NO_CASES = "no recorded cases: set VSVFI_PARITY_DIR to their folder"


def case_folders() -> list[Path]:
    """Every folder that holds recorded cases."""
    first = Path(os.environ.get("VSVFI_PARITY_DIR", DEFAULT))
    more = Path(os.environ.get("VSVFI_PARITY_MORE_DIR", first.parent / "parity-more"))
    return [spec.parent for root in dict.fromkeys((first, more)) for spec in sorted(root.glob("*/spec.json"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each recorded case (``case_path``) or for each folder of cases (``case_folder``)."""
    folders = case_folders()
    for argument, paths in {
        "case_path": [path for folder in folders for path in sorted(folder.glob("case_*.npz"))],
        "case_folder": folders,
    }.items():
        if argument not in metafunc.fixturenames:
            continue
        if not paths:
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=NO_CASES))])
            continue
        ids = [f"{path.parent.name}-{path.stem}" if path.is_file() else path.name for path in paths]
        metafunc.parametrize(argument, paths, ids=ids)


class Loaded:
    """The network of one folder at a time: the larger ones have hundreds of megabytes."""

    folder: Path | None = None
    network: nn.Module | None = None

    def get(self, folder: Path, model: str, data: Path) -> nn.Module:
        """The network of ``model``, its weights added as a user would add a checkpoint file."""
        if self.folder != folder or self.network is None:
            self.network = None
            gc.collect()
            spec = json.loads((folder / "spec.json").read_text())
            state = {name: torch.from_numpy(value) for name, value in harness.recipe(folder.parent).fill(spec).items()}
            file = data / "checkpoint.pth"
            torch.save(state, file)
            added = weights.add(file, model)
            self.network = weights.load(weights.networks()[model], [added.name])
            self.folder = folder
            added.path.unlink()
            file.unlink()
        return self.network


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    """One network in memory, shared by the cases of its folder."""
    loaded = Loaded()
    yield loaded
    loaded.network = None


def test_case(case_path: Path, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our result is the recorded one, within the recorded tolerance."""
    case = harness.load_case(case_path)
    runner = harness.runner(case_path.parent.name)
    if not isinstance(runner, harness.NetworkRunner):
        harness.compare(case, runner(case))
        return
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    network = loaded.get(case_path.parent, runner.model, tmp_path)
    with torch.inference_mode():
        harness.compare(case, runner.run(network, case))


def test_layout_is_recognised_by_content(case_folder: Path) -> None:
    """A folder's layout is recognised as its model's, from names and shapes alone."""
    runner = harness.runner(case_folder.name)
    if not isinstance(runner, harness.NetworkRunner):
        pytest.skip("an operator has no weights")
    spec = json.loads((case_folder / "spec.json").read_text())
    shapes = {key: tuple(shape) for key, shape in spec["state_dict"].items()}
    found = [info for info, layout in weights.recognise(shapes) if not layout.part]
    assert runner.model in {info.name for info in found}
    # Only the same network, trained again, has the same layout.
    assert len({info.build for info in found}) == 1
