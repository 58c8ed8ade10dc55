"""The `vsvfi` command: what it refuses, what it lists, and that it is quick to help."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vsvfi import backends
from vsvfi.commands import models as models_tool
from vsvfi.commands import weights as weights_tool
from vsvfi.commands.cli import app, main
from vsvfi.errors import VsvfiError
from vsvfi.models import availability, registry, weights
from vsvfi.models.info import BackendInfo, Checkpoint

COMMANDS = ("demo", "models", "doctor", "render", "compare", "eval", "weights")


def _console() -> Console:
    return Console(file=StringIO(), width=160)


def _said(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "vsvfi", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vsvfi.commands.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'vapoursynth', 'PIL', 'pluggy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert command in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_short_form_and_shows_no_type_of_flags(command: str) -> None:
    result = CliRunner().invoke(app, [command, "-h"])
    assert result.exit_code == 0
    flags = re.findall(r"--([a-z-]+)[^\n]*<bool>", result.output)
    assert set(flags) <= {"help"}  # typer's own


def test_versions_of_a_family_share_a_line() -> None:
    short, long = _console(), _console()
    models_tool.list_models(short)
    models_tool.list_models(long, every=True)
    assert "amt-g, amt-l, amt-s" in _said(short)
    assert len(re.findall(r"^amt-", _said(long), re.MULTILINE)) == 3
    assert _said(short).count("\n") < _said(long).count("\n")


def test_errors_of_the_filter_have_one_prefix(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        import vapoursynth as vs

        raise vs.Error("vsvfi.Interpolate: factor must be greater than 1")

    monkeypatch.setattr("vsvfi.commands.models.availability", refuse)
    monkeypatch.setattr(sys, "argv", ["vsvfi", "models"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "vsvfi: factor must be greater than 1\n"


def test_version() -> None:
    from vsvfi import __version__

    assert CliRunner().invoke(app, ["--version"]).output == f"vsvfi {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("render", "none.mkv", "out.mkv"), "vsvfi: there is no video none.mkv"),
        (("render", "none.mkv", "out.mkv", "--factor", "2", "--fps", "60"), "vsvfi: give --factor or --fps, not both"),
        (("eval", "vimeo", "."), "vsvfi: unknown dataset 'vimeo'; known are middlebury-other, "),
        (("eval", "ucf101", "/nowhere"), "vsvfi: ucf101: there is no folder "),
        (("compare", "none.mkv", "--frames", "5"), "vsvfi: --frames must be first and last frame"),
        (
            ("compare", "none.mkv", "--frames", "1-9", "--models", "flaw"),
            "vsvfi: unknown model 'flaw'; closest: flow, ",
        ),
        (("weights", "add", "none.pth"), "vsvfi: there is no weights file none.pth"),
        (("weights", "add", "dain"), "vsvfi: which file? vsvfi weights add dain FILE"),
    ],
)
def test_errors_are_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["vsvfi", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert said.startswith(message)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_is_one_line_and_its_traceback_can_be_had(
    debug: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug() -> None:
        raise KeyError("a bug")

    monkeypatch.setenv("VSVFI_DEBUG", debug)
    monkeypatch.setattr("vsvfi.commands.models.availability", bug)
    monkeypatch.setattr(sys, "argv", ["vsvfi", "models"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.endswith("vsvfi: KeyError: 'a bug' (VSVFI_DEBUG=1 shows where)\n")
    assert ("Traceback" in said) == bool(debug)


def test_errors_of_vapoursynth_are_one_line(tmp_path: Path) -> None:
    source = tmp_path / "film.mkv"
    source.write_bytes(b"not a film")
    done = _run("compare", str(source), "--frames", "0-2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("vsvfi: VideoSource:")
    assert "Traceback" not in done.stderr


def test_script_is_printed_without_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["render", "film.mkv"])
    assert result.exit_code == 2
    assert "say where to write" in result.output


def _info(name: str, **more: Any) -> BackendInfo:
    return BackendInfo(name=name, summary=f"model {name}", backend="nowhere:Nothing", **more)


@pytest.fixture
def some_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Three models: one that runs, one without its weights, one whose licence forbids commercial use."""
    known = Checkpoint(name="l1", file="l1.pth", url="https://example.org/l1.pth", license="CC-BY-NC")
    infos = (
        _info("planes", planes=True),
        _info("weighty", build="nowhere:build", checkpoints=(known,)),
        _info("narrow", commercial_use=False, timesteps="midpoint"),
    )
    monkeypatch.setenv("VSVFI_PLUGINS", "")
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    monkeypatch.setattr(backends, "vsvfi_backends", registry.hookimpl(lambda: infos))
    registry.reload()
    yield
    registry.reload()


@pytest.mark.usefixtures("some_models")
def test_models_are_listed_with_what_is_missing() -> None:
    found = {entry.info.name: entry for entry in availability.availability()}
    assert found["planes"].usable
    assert found["weighty"].add == "vsvfi weights get weighty"
    assert availability.usable_models() == ["narrow", "planes"]
    console = _console()
    models_tool.list_models(console)
    now, _, later = _said(console).partition("Needs weights")
    assert "planes" in now
    assert re.search(r"narrow.*non-commercial.*model narrow", now)
    assert re.search(r"narrow +1/2 +2 ", now)
    assert "weighty" in later
    assert "vsvfi weights get MODEL" in later


@pytest.mark.usefixtures("some_models")
def test_models_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = {entry.info.name: entry for entry in availability.availability()}
    assert found["planes"].usable
    assert (found["narrow"].install, found["narrow"].lack) == ("pip install 'vsvfi[torch]'", "torch")
    assert found["weighty"].lack == "torch and weights"


@pytest.mark.usefixtures("some_models")
def test_models_as_json() -> None:
    found = {model["name"]: model for model in json.loads(CliRunner().invoke(app, ["models", "--json"]).output)}
    assert found["weighty"]["missing"] == ["vsvfi weights get weighty"]
    assert not found["weighty"]["usable"]
    assert found["narrow"]["commercial_use"] is False
    assert (found["narrow"]["timesteps"], found["narrow"]["window"]) == ("midpoint", [0, 1])


def test_versions_are_listed_in_the_order_of_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [_info(f"rife-4.{minor}") for minor in (10, 9, 2, 26)]
    monkeypatch.setattr(registry, "backends", lambda: {info.name: info for info in infos})
    monkeypatch.setattr(registry, "enhancers", dict)
    assert availability.usable_models() == ["rife-4.2", "rife-4.9", "rife-4.10", "rife-4.26"]


@pytest.mark.usefixtures("some_models")
def test_weights_are_listed_with_place_and_licence(tmp_path: Path) -> None:
    console = _console()
    weights_tool.list_weights(console)
    said = _said(console)
    assert "https://example.org/l1.pth" in said
    assert "CC-BY-NC" in said
    assert str(tmp_path) in said


def test_added_weights_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def add(path: Path, model: str | None, name: str | None) -> weights.Stored:
        calls.append((path.name, model, name))
        return weights.Stored("dain", "best", "depth" if len(calls) == 2 else "", path)

    monkeypatch.setattr(weights, "add", add)
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    console = _console()
    weights_tool.add_weights("dain", [tmp_path / "a.pth", tmp_path / "b.pth"], None, console)
    weights_tool.add_weights(str(tmp_path / "a.pth"), [], "mine", console)
    assert calls == [("a.pth", "dain", None), ("b.pth", "dain", None), ("a.pth", None, "mine")]
    assert "b.pth is dain, part depth; kept as 'best'" in _said(console)
    assert "not for commercial use: none stated; fine-tuned from NVIDIA's PWC-Net" in _said(console)


def test_a_model_alone_is_no_file() -> None:
    with pytest.raises(VsvfiError, match="which file"):
        weights_tool.add_weights("dain", [], None, _console())


def test_weights_are_fetched_found_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the program itself, from a folder of published files."""
    torch = pytest.importorskip("torch")
    from vsvfi.testing import networks

    names = {"conv": "moduleConv", "deconv": "moduleDeconv", "upsample": "moduleUpsample"}
    names |= {"vertical": "moduleVertical", "horizontal": "moduleHorizontal"}
    state = networks.example_network(registry.find("sepconv")).state_dict()
    published = {re.sub(r"^[a-z]+", lambda found: names[found[0]], name): value for name, value in state.items()}
    folder = tmp_path / "files [red]"
    folder.mkdir()
    torch.save(published, folder / "network-l1.pytorch")
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    got = _run("weights", "get", "sepconv", "--yes", "--from", str(folder))
    assert got.returncode == 0, got.stderr
    assert "not for commercial use" in got.stdout
    assert "network-l1.pytorch is sepconv; kept as 'l1'" in got.stdout
    path = Path(_run("weights", "path", "sepconv").stdout.strip())
    assert path == tmp_path / "data" / "weights" / "sepconv" / "l1.safetensors"
    again = _run("weights", "add", str(folder / "network-l1.pytorch"))
    assert "kept as 'l1', as it was" in again.stdout
    assert f"removed {path}" in _run("weights", "remove", "sepconv").stdout.replace("\n", "")
    missing = _run("weights", "path", "sepconv")
    assert missing.returncode == 1
    assert missing.stderr.strip().endswith("get them with: vsvfi weights get sepconv")
