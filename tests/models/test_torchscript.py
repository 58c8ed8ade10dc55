"""TorchScript archives: their tensors are read, their programs are not run."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from vsvfi.models import weights
from vsvfi.models.torchscript import is_torchscript, read_torchscript


def script(path: Path) -> nn.Module:
    """A module with nested parts, a buffer and half precision, saved as an archive."""
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1).half()))
    with warnings.catch_warnings(action="ignore"):
        torch.jit.script(module).save(str(path))
    return module


def test_tensors_have_the_names_of_the_state_dict(tmp_path: Path) -> None:
    """With their values and types."""
    module = script(tmp_path / "module.pt")
    assert is_torchscript(tmp_path / "module.pt")
    expected, found = module.state_dict(), read_torchscript(tmp_path / "module.pt")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_checkpoints_are_no_archives(tmp_path: Path) -> None:
    """What torch.save writes is a zip file too."""
    torch.save({"weight": torch.zeros(2)}, tmp_path / "state.pth")
    assert not is_torchscript(tmp_path / "state.pth")
    (tmp_path / "text.pt").write_text("text")
    assert not is_torchscript(tmp_path / "text.pt")


class Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("print('run')",)


def rewrite(path: Path, data: bytes) -> None:
    """Put another pickle into an archive."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, data if name.endswith("/data.pkl") else content)


def test_code_in_the_pickle_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused, with its name."""
    path = tmp_path / "module.pt"
    script(path)
    stream = io.BytesIO()
    pickle.dump(Exploit(), stream)
    rewrite(path, stream.getvalue())
    with pytest.raises(weights.WeightsError, match=r"opened safely as weights: it asks to run builtins\.eval"):
        weights.read(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damage", [b"", b"\x80\x02", b"no pickle", pickle.dumps({"no": "module"})])
def test_damaged_archives_are_refused(tmp_path: Path, damage: bytes) -> None:
    """With one line that names the file."""
    path = tmp_path / "module.pt"
    script(path)
    rewrite(path, damage)
    with pytest.raises(weights.WeightsError, match=r"module\.pt"):
        weights.read(path)
