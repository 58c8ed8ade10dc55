"""Faults of the command line, each through a real process: one line on standard error, no traceback, and a status."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from media import make_film

from vsvfi.commands import ffmpeg

VSVFI = Path(sys.executable).with_name("vsvfi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: a film, files that are no films, folders where nothing can be written."""
    folder = tmp_path_factory.mktemp("faults")
    if ffmpeg.find() is not None:
        make_film(folder)
        (folder / "film [red] [b].mkv").write_bytes((folder / "film.mkv").read_bytes())
    (folder / "text.mkv").write_text("not a film\n" * 50)
    (folder / "empty.mkv").touch()
    (folder / "file").touch()
    (folder / "weights.pth").write_bytes(b"\x80\x02cos\nsystem\n(S'echo run'\ntR.")
    (folder / "text.pth").write_text("<html>not found</html>")
    huge = struct.pack("<Q", 2**62) + b"{}"
    (folder / "huge.safetensors").write_bytes(huge)
    store = folder / "data" / "weights" / "sepconv"
    store.mkdir(parents=True)
    (store / "l1.safetensors").write_bytes(huge)
    (store / "lf.safetensors").write_bytes(b"short")
    parts = folder / "damaged.mkv.vsvfi-parts"
    parts.mkdir()
    (parts / "state.json").write_text("{")
    foreign = folder / "foreign.mkv.vsvfi-parts"
    foreign.mkdir()
    (foreign / "holiday.jpg").touch()
    (folder / "config.toml").write_text("[trainer\n")
    return folder


def run(folder: Path, *arguments: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """``vsvfi ARGUMENTS`` in the folder, or a line for a shell in which ``vsvfi`` is found."""
    environment = {
        **os.environ,
        "VSVFI_DATA": str(folder / "data"),
        "PATH": os.pathsep.join([str(VSVFI.parent), os.environ.get("PATH", "")]),
        "COLUMNS": "200",
    }
    command = ["sh", "-c", shell] if shell else [str(VSVFI), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


LONG = "x" * 300

FAULTS = {
    "render no.mkv out.mkv": "there is no video no.mkv",
    "render text.mkv out.mkv": r"text\.mkv",
    "render empty.mkv out.mkv": r"empty\.mkv",
    "render . out.mkv": r".",
    f"render {LONG}.mkv out.mkv": r"[Ff]ile name too long|no video",
    f"render film.mkv {LONG}.mkv": r"[Ff]ile name too long",
    "render film.mkv out.txt": "the output must end in",
    "render film.mkv out.mkv --fps 1e400": "--fps must be a rate",
    "render film.mkv out.mkv --factor 1e999999999": "--factor must be greater than 1",
    "render film.mkv file/out.mkv": "there is no folder .*/file; make it first",
    "render film.mkv out.mkv --start 1:1e999999999": "--start must be",
    "render film.mkv out.mkv --segment nan": "--segment",
    "render film.mkv out.mkv --segment -1": "--segment",
    "render film.mkv out.mkv --factor nan": "--factor",
    "render film.mkv out.mkv --encoder-options '-x \"'": "--encoder-options cannot be read",
    "render film.mkv damaged.mkv --resume": r"state\.json is damaged: start over with --overwrite",
    "render film.mkv foreign.mkv --overwrite": "holds 'holiday.jpg', which no render wrote",
    "compare film.mkv --frames 3-3": "--frames needs at least three frames",
    "compare text.mkv": r"text\.mkv",
    "compare film.mkv --out file/page.html --frames 2-4": r"file/page\.html|Not a directory",
    "eval middlebury-other nowhere": "nowhere",
    "eval unknown .": "unknown dataset",
    "weights add nothing.pth": "there is no weights file",
    "weights add weights.pth": "code",
    "weights add text.pth": "is a web page, not a weights file",
    "weights add huge.safetensors": r"huge\.safetensors",
    "weights add sepconv text.pth --name ../../../x": "a name for weights is",
    "weights add sepconv text.pth --name a/b": "a name for weights is",
    "weights add .": r"\.",
    "train jnmr --config config.toml": r"config\.toml|this needs the package",
    "train jnmr --config nowhere.toml": r"nowhere\.toml|this needs the package",
    "demo --out file/demo": r"Not a directory|file",
    "models --unknown": "No such option",
}


@pytest.mark.parametrize("command", FAULTS)
def test_a_fault_of_a_command_is_one_line(folder: Path, command: str) -> None:
    done = run(folder, *shlex.split(command))
    said = done.stderr.strip()
    assert done.returncode in (1, 2), done
    assert "Traceback" not in said, said
    assert "VSVFI_DEBUG" not in said, said
    assert re.search(FAULTS[command], said), said
    if done.returncode == 1:
        assert said.splitlines()[-1].startswith("vsvfi: ")
    assert (folder / "foreign.mkv.vsvfi-parts" / "holiday.jpg").exists()


def test_damaged_weights_in_the_store_are_shown_and_skipped(folder: Path) -> None:
    for command in (["models"], ["weights"], ["models", "--json"]):
        done = run(folder, *command)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert "damaged" in run(folder, "weights").stdout


def test_names_that_look_like_markup_are_printed_whole(folder: Path) -> None:
    done = run(folder, "render", "film [red] [b].mkv", "out [red] [b].mkv")
    assert done.returncode == 0, done.stderr
    assert "Written: out [red] [b].mkv" in done.stdout + done.stderr
    missing = run(folder, "render", "none [red].mkv", "out.mkv")
    assert "none [red].mkv" in missing.stderr


def test_a_reader_that_goes_away_is_no_traceback(folder: Path) -> None:
    done = run(folder, shell="vsvfi models --json | head -c 10")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_file_size_limit_stands_for_a_full_disk(folder: Path) -> None:
    """Files may grow to 4 KiB only: the encoder fails, and says so in one line."""
    done = run(folder, shell="ulimit -f 4; vsvfi render film.mkv full.mkv")
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("vsvfi: ")
    assert not (folder / "full.mkv").exists()


def test_a_folder_without_permission(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    done = run(folder, "render", "film.mkv", "closed/out.mkv")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("vsvfi: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_render_that_is_stopped_leaves_nothing_half_done(folder: Path, number: signal.Signals) -> None:
    out = folder / f"stopped-{number.name}.mkv"
    environment = {**os.environ, "VSVFI_DATA": str(folder / "data")}
    process = subprocess.Popen(
        [VSVFI, "render", "film.mkv", out.name, "--factor", "64"],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    parts = folder / f"{out.name}.vsvfi-parts"
    while not parts.exists() and process.poll() is None:
        pass
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert not out.exists()
    assert "Traceback" not in said, said


def test_json_of_the_models_is_json(folder: Path) -> None:
    assert json.loads(run(folder, "models", "--json").stdout)
