"""Files that users bring: what is refused and why, in one line, and a data folder that survives what is in it."""

from __future__ import annotations

import io
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from safetensors.torch import save_file
from torch import nn

from vsvfi.commands import weights as command
from vsvfi.models import availability, registry, weights
from vsvfi.models.info import BackendInfo, Checkpoint, Layout, Shapes

MODEL = "small"


class Small(nn.Linear):
    """A network of six numbers."""

    def __init__(self) -> None:
        super().__init__(2, 2)


def build(_shapes: Shapes) -> nn.Module:
    return Small()


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model with weights, and an empty data folder."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    info = BackendInfo(
        name=MODEL,
        summary="for tests",
        backend="nowhere:Nothing",
        build=f"{__name__}:build",
        weights_license="MIT",
        checkpoints=(Checkpoint(name="known", file="small.pth", url="https://example.org/small.pth", license="MIT"),),
        layouts=(Layout(has_all=("weight", "bias")),),
    )
    monkeypatch.setattr(registry, "backends", lambda: {MODEL: info})
    monkeypatch.setattr(registry, "networks", dict)
    monkeypatch.setattr(registry, "enhancers", dict)


def state() -> dict[str, Any]:
    return {"weight": torch.ones(2, 2), "bias": torch.zeros(2)}


def saved(folder: Path, content: Any, name: str = "small.pth") -> Path:
    path = folder / name
    torch.save(content, path)
    return path


class Exploit:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo run",)


def pickled(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"root:x:0:0:root:/root:/bin/bash\n", "is no weights file"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
        (struct.pack("<Q", 2**62) + b"{" + b" " * 64, "is no weights file"),
        (struct.pack("<Q", 16) + b"{" + b" " * 64, "is damaged or not a weights file"),
        (b"PK\x03\x04" + b"\0" * 64, "is damaged or not a weights file"),
        (b"\x80\x02}q\x00.", "is damaged or not a weights file"),
        (pickled({"weight": torch.ones(2, 2)})[:200], "is damaged or not a weights file"),
        (pickled([1, 2]), "holds no state dict"),
        (pickled({"weight": torch.ones(2, 2).to_sparse()}), "sparse, quantized or without data"),
        (pickled({"weight": torch.ones(2, 2, device="meta")}), "sparse, quantized or without data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_files_that_are_no_weights_are_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "small[red].pth"
    path.write_bytes(content)
    with pytest.raises(weights.WeightsError, match=reason) as refused:
        weights.add(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_code_in_a_pickle_is_named_and_never_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In our words: torch's advice is to open the file unsafely."""
    with pytest.raises(weights.WeightsError, match=r"asks to run (posix|nt)\.system, .*never run") as refused:
        weights.read(saved(tmp_path, {"state_dict": state(), "other": Exploit()}))
    assert "weights_only" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert "safetensors" in str(refused.value)
    assert capfd.readouterr().out == ""


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), noise=st.binary(min_size=1, max_size=16), cut=st.integers(0, 10**6))
def test_damaged_files_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, noise: bytes, cut: int
) -> None:
    """Real files with bytes changed or missing are read, or refused as weights are."""
    folder = tmp_path_factory.mktemp("damaged")
    save_file(state(), folder / "small.safetensors")
    for whole in ((folder / "small.safetensors").read_bytes(), pickled(state())):
        start = place % len(whole)
        path = folder / "damaged"
        path.write_bytes((whole[:start] + noise + whole[start + len(noise) :])[: cut % len(whole) + 1])
        with suppress(weights.WeightsError):
            weights.read(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    broken = state()
    broken["weight"][0, 1] = value
    with pytest.raises(weights.WeightsError, match="NaN or infinite values in weight"):
        weights.add(saved(tmp_path, broken))


@pytest.mark.parametrize("name", ["../../../x", "a/b", "", ".hidden", "x" * 101, "a b", "-x"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(weights.WeightsError, match="a name for weights is"):
        weights.add(saved(tmp_path, state()), name=name)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_any_file_name_gives_a_name(tmp_path: Path) -> None:
    assert weights.add(saved(tmp_path, state(), "über [1].pth")).name == "ber-1"
    assert weights.add(saved(tmp_path, state(), "…….pth")).name == "weights"


@pytest.mark.parametrize("choice", ["x" * 300, "no\0name", "../nothing"])
def test_weights_that_are_no_file_are_refused(choice: str) -> None:
    with pytest.raises(weights.WeightsError, match="neither a file nor the name of added weights"):
        weights.locate(registry.backends()[MODEL], [choice])


@pytest.mark.parametrize("content", [b"", b"short", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 2) + b"[]"])
def test_a_damaged_file_in_the_store_is_shown_and_passed_over(tmp_path: Path, content: bytes) -> None:
    """Other weights of the model go on working, and the file is named where it is the only one."""
    info = registry.backends()[MODEL]
    added = weights.add(saved(tmp_path, state()))
    good = weights.add(saved(tmp_path, state()), name="mine")
    added.path.write_bytes(content)
    assert weights.damage(added.path)
    assert weights.locate(info) == [good.path]
    console = Console(file=io.StringIO(), width=400)
    command.list_weights(console)
    assert isinstance(console.file, io.StringIO)
    assert f"damaged: {weights.damage(added.path)}" in console.file.getvalue()
    assert str(added.path) in console.file.getvalue()
    with pytest.raises(weights.WeightsError, match=r"is damaged .* add it again: vsvfi weights add small"):
        weights.locate(info, ["known"])
    weights.remove(MODEL, "mine")
    assert [entry.add for entry in availability.availability()] == ["vsvfi weights get small"]
    with pytest.raises(weights.MissingWeightsError, match="is damaged"):
        weights.locate(info)


def test_adding_again_says_so_and_tells_whether_the_file_changed(tmp_path: Path) -> None:
    first = weights.add(saved(tmp_path, state()))
    digest = weights.metadata(first.path)["sha256"]
    assert first.before == ""
    assert weights.add(tmp_path / "small.pth").before == digest
    other = state()
    other["bias"] += 1
    console = Console(file=io.StringIO(), width=400)
    command.add_weights(MODEL, [saved(tmp_path, other)], None, console)
    assert isinstance(console.file, io.StringIO)
    assert f"in place of {digest}" in console.file.getvalue()


def test_brackets_in_names_stay(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=400)
    command.add_weights(str(saved(tmp_path, state(), "small [red].pth")), [], None, console)
    assert isinstance(console.file, io.StringIO)
    assert "small [red].pth is small" in console.file.getvalue()


def test_removing_and_finding(tmp_path: Path) -> None:
    added = weights.add(saved(tmp_path, state()))
    assert command.weights_paths(MODEL, []) == [added.path]
    with pytest.raises(weights.WeightsError, match=r"no weights 'other' of small were added \(added: known\)"):
        weights.remove(MODEL, "other")
    assert [entry.path for entry in weights.remove(MODEL)] == [added.path]
    with pytest.raises(weights.WeightsError, match=r"no weights of small were added \(added: none\)"):
        weights.remove(MODEL)
    with pytest.raises(weights.WeightsError, match="no model 'smull' takes weights"):
        command.weights_paths("smull", [])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "file"))
    with pytest.raises(weights.WeightsError, match=r"cannot be written to: .*VSVFI_DATA"):
        weights.add(saved(tmp_path, state()))


def test_what_is_stored_says_where_it_is_from(tmp_path: Path) -> None:
    added = weights.add(saved(tmp_path, state()))
    about = weights.metadata(added.path)
    assert (about["model"], about["file"], about["license"], about["complete"]) == (MODEL, "small.pth", "MIT", "yes")
    assert len(about["sha256"]) == 64
