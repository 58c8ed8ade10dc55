"""The documentation builds without warnings, names every argument and message, and its commands and scripts run."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsvfi
from vsvfi.backends.flow import INFOS
from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import clip_of_images, core
from vsvfi.commands.demo import drawing
from vsvfi.models.info import BackendInfo, Layout

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
# Pages of models show what needs weights.
PAGES = [
    ROOT / "README.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("development/*.md")),
    *sorted(DOCS.glob("guide/*.md")),
]
ELSEWHERE = ("pip", "python3", "git", "source")
"""Commands that change the environment: what they do is tested where it can be undone (test_wheel.py, dev.py)."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def _blocks() -> list[Block]:
    found = []
    pattern = re.compile(r"(<!-- not run: [^>]+ -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        text = page.read_text()
        for match in pattern.finditer(text):
            if not match[1]:
                line = text[: match.start(2)].count("\n") + 1
                found.append(Block(page, line, match[2], match[3]))
    return found


SCRIPTS = [block for block in _blocks() if block.language == "python" and "set_output" in block.text]
FRAGMENTS = [block for block in _blocks() if block.language == "python" and "set_output" not in block.text]
COMMANDS = [
    pytest.param(line, id=f"{block}-{line.split()[0]}")
    for line, block in {
        line: block
        for block in _blocks()
        if block.language == "sh"
        for line in block.text.splitlines()
        if line.strip() and line.split()[0] not in ELSEWHERE
    }.items()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the documentation's commands are run: with ``film.mkv``, eight small frames."""
    if ffmpeg.find() is None or not hasattr(vs.core, "bs"):
        pytest.skip("ffmpeg or BestSource is not there")
    folder = tmp_path_factory.mktemp("docs")
    images = [np.ascontiguousarray(drawing.draw(0.5 + n / 24)[::6, ::6]) for n in range(8)]
    clip = clip_of_images(lambda n: images[n], length=8, fps=Fraction(24000, 1001))
    with (folder / "film.y4m").open("wb") as file:
        clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709).output(file, y4m=True)
    ffmpeg.run(["-i", str(folder / "film.y4m"), "-c:v", "ffv1", str(folder / "film.mkv")], "test film")
    (folder / "script.vpy").write_text(SCRIPTS[0].text)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    program = ffmpeg.find()
    assert program is not None
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir()
        (tools / "ffmpeg").symlink_to(program)
    path = os.pathsep.join([str(BIN), str(tools), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "VSVFI_DATA": str(folder / "data")}


def test_site_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is in vsvfi[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    models = (tmp_path / "site" / "models" / "index.html").read_text()
    assert "classic optical flow" in models


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_script_runs_in_vspipe(block: Block, folder: Path) -> None:
    script = folder / "shown.vpy"
    script.write_text(block.text)
    done = subprocess.run(
        [BIN / "vspipe", script, "."], capture_output=True, text=True, env=_environment(folder), check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"Output \d+ frames", done.stderr), done.stderr


def _runnable(block: Block) -> str:
    """The fragment without the lines that ask for a model whose weights nobody has here."""
    lines = block.text.splitlines()
    return "\n".join(line for line in lines if not re.search(r'model="(?!flow)', line))


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_fragment_runs(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package of one's own that docs/plugins.md writes stands here for any: it brings the model that is built in.
    monkeypatch.setitem(sys.modules, "vsvfi_yours", SimpleNamespace(INFOS=INFOS))
    clip = core.std.BlankClip(format=vs.YUV420P8, width=96, height=64, length=3, fpsnum=24000, fpsden=1001)
    names: dict[str, Any] = {"vs": vs, "core": vs.core, "clip": clip, "Layout": Layout, "BackendInfo": BackendInfo}
    exec(compile(_runnable(block), str(block), "exec"), names)
    shown = names["clip"]
    assert shown.get_frame(shown.num_frames - 1).height == 64


@pytest.mark.parametrize("line", COMMANDS)
def test_command_runs(line: str, folder: Path) -> None:
    if line.split()[0] not in ("vsvfi", "vspipe", "vapoursynth"):
        pytest.fail(f"{line.split()[0]} is not run by this test: mark the block '<!-- not run: reason -->'")
    if line == "vapoursynth config":
        pytest.skip("writes to the user's configuration; the set-up runs it")
    if line.startswith("vsvfi demo"):
        pytest.skip("takes its time; test_demo.py runs it")
    if line == "vsvfi doctor":
        pytest.skip("judges this machine; test_doctor.py and test_wheel.py run it")
    for out in ("smooth.mkv", "smooth.mp4", "out.mkv", "compare.html"):
        (folder / out).unlink(missing_ok=True)
    if "|" in line:
        assert shutil.which("sh"), "a pipe needs a shell"
        line = re.sub(r"(ffmpeg) ", r"\1 -y -v error ", line)
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False
        )
    else:
        program, *arguments = shlex.split(line)
        done = subprocess.run(
            [BIN / program, *arguments],
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    written = [word for word in line.split() if word in ("smooth.mkv", "smooth.mp4", "out.mkv", "compare.html")]
    assert all((folder / name).stat().st_size > 500 for name in written)


def test_every_argument_of_the_filter_is_described() -> None:
    described = set(re.findall(r"^(`[^:]*)$", (DOCS / "filter.md").read_text(), re.MULTILINE))
    names = {name for line in described for name in re.findall(r"`(\w+)`", line)}
    wanted = set(inspect.signature(vsvfi.interpolate).parameters) - {"clip"}
    assert wanted <= names, wanted - names


USER_ERRORS = {"VsvfiError", "WeightsError", "UnknownModelError", "EncoderError", "DatasetError"}


def _literal(node: ast.expr) -> str:
    """The text of a message, with … for what varies."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def _messages() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "vsvfi").rglob("*.py")):
        if "train" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "func", None)
            name = getattr(name, "id", getattr(name, "attr", ""))
            if isinstance(node, ast.Call) and name in USER_ERRORS and node.args:
                found[_literal(node.args[0])] = path
    return found


def test_every_error_message_is_described() -> None:
    page = " ".join((DOCS / "troubleshooting.md").read_text().split())
    lacking = {}
    for message, path in _messages().items():
        fragments = [part.strip() for part in message.split("…") if len(part.strip()) > 3]
        if not all(" ".join(part.split()) in page for part in fragments):
            lacking[message] = path.relative_to(ROOT).as_posix()
    assert not lacking, f"docs/troubleshooting.md lacks: {lacking}"


def test_every_example_named_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"examples/([\w-]+\.vpy)", page.read_text()):
            assert (ROOT / "examples" / name).is_file(), f"{page.name} names {name}"


def test_links_of_the_readme_work_on_the_package_index() -> None:
    """They are absolute, and lead to files of this checkout."""
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    for target in targets:
        assert target.startswith("https://"), f"{target} leads nowhere on the package index"
        inside = re.fullmatch(r"https://(?:raw\.githubusercontent|github)\.com/vsvfi/vsvfi/(?:blob/)?main/(.+)", target)
        assert inside is None or (ROOT / inside[1]).is_file(), target


def test_every_file_that_contributors_are_sent_to_exists() -> None:
    """Paths in CONTRIBUTING and on the page on architecture; NAME stands for what a contributor adds."""
    for page in (ROOT / "CONTRIBUTING.md", DOCS / "architecture.md"):
        for path in re.findall(
            r"`((?:vsvfi|tests|kernels|docs|plugins|benchmarks|examples)/[\w./*-]*)", page.read_text()
        ):
            known = path.split("NAME")[0].rsplit("/", 1)[0] if "NAME" in path else path
            assert (ROOT / known).exists(), f"{page.name} names {path}"
