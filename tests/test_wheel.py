"""The wheel, installed into a clean environment with what it declares to need and nothing else: does it work there?

The environment's dependencies are linked from the one that the tests run in, so that no network is needed; what the
wheel does not declare is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from packaging.requirements import Requirement

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import clip_of_images
from vsvfi.commands.demo import drawing

ROOT = Path(__file__).resolve().parents[1]
CHECK = ROOT / "tests" / "wheel_check.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there; cibuildwheel tests the wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    for module in ("scikit_build_core", "pip"):
        pytest.importorskip(module, reason=f"{module} builds the wheel; it is in vsvfi[dev]")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--wheel-dir", str(folder), str(ROOT)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_serves_every_python_of_a_platform(wheel: Path) -> None:
    assert re.fullmatch(r"vsvfi-[\d.]+-py3-none-(?!any).+\.whl", wheel.name)


def test_wheel_holds_the_plugin_the_kernels_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert [name for name in names if re.fullmatch(r"vapoursynth/plugins/(lib)?vsvfi\.(so|dll|dylib)", name)]
    assert [name for name in names if re.fullmatch(r"vsvfi/compiled/(lib)?vsvfi_kernels\.(so|dll)", name)]
    assert {"vsvfi/py.typed", "vsvfi/commands/compare.html.j2", "vsvfi/commands/evaluate/published.json"} <= set(names)
    assert {"vsvfi_rife/py.typed", "vsvfi_rife/network.py"} <= set(names)
    tops = {name.partition("/")[0] for name in names}
    assert {re.sub(r"-.*", "", top) for top in tops} == {"vsvfi", "vsvfi_rife", "vapoursynth"}


def test_sdist_holds_all_that_a_wheel_is_built_from(tmp_path: Path) -> None:
    pytest.importorskip("scikit_build_core", reason="scikit_build_core builds the sdist; it is in vsvfi[dev]")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    for name in tracked:  # a copy without the environment and the builds, which the search for files would walk through
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "copy" / name)
    code = "from scikit_build_core.build import build_sdist; build_sdist('../dist')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "copy", check=True, capture_output=True)
    (built,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(built) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    needed = ("vsvfi/", "plugins/vsvfi-rife/", "kernels/", "CMakeLists.txt", "pyproject.toml", "LICENSE", "README.md")
    assert {name for name in tracked if name.startswith(needed)} <= names
    assert not [name for name in names if name.startswith(".ci/")]


def _needed(name: str, seen: dict[str, Distribution]) -> None:
    """Collect what a distribution needs without extras, and what that needs."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name.lower() in seen:
            continue
        try:
            seen[requirement.name.lower()] = distribution(requirement.name)
        except PackageNotFoundError:
            pytest.skip(f"{requirement.name} is not installed here")
        _needed(requirement.name, seen)


def _link(found: Distribution, target: Path) -> None:
    """Link a distribution into a site-packages folder: its top-level entries, its files in VapourSynth's folder."""
    root = Path(str(found.locate_file("")))
    files = [Path(str(file)) for file in found.files or []]
    plugins = {file for file in files if file.parts[0] == "vapoursynth"}
    tops = {Path(file.parts[0]) for file in files} - {
        Path(name) for name in ("..", "__pycache__", "bin", "vapoursynth")
    }
    for name in tops | plugins:
        if not (target / name).exists() and (root / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).symlink_to(root / name)


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it declares to need."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    packages = next((folder / "lib").glob("python3*/site-packages"))
    needed: dict[str, Distribution] = {}
    _needed("vsvfi", needed)
    vapoursynth = needed["vapoursynth"]
    root = Path(str(vapoursynth.locate_file("")))
    shutil.copytree(root / "vapoursynth", packages / "vapoursynth", ignore=shutil.ignore_patterns("plugins", "*.pyc"))
    (packages / "vapoursynth" / "plugins").mkdir()
    for found in needed.values():
        _link(found, packages)
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*command, str(wheel)], check=True)
    vspipe = folder / "bin" / "vspipe"
    vspipe.write_text(f"#!{python}\nimport sys\nfrom vapoursynth import vspipe\nsys.exit(vspipe())\n")
    vspipe.chmod(0o755)
    return python


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VSVFI", "VIRTUAL"))}
    return {**kept, "XDG_CONFIG_HOME": str(folder), "VSVFI_DATA": str(folder)}


def test_installed_wheel_works(clean: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [clean, CHECK], capture_output=True, text=True, cwd=tmp_path, env=_environment(tmp_path), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is broken." in done.stdout
    assert "torch: not installed" in done.stdout


def test_installed_wheel_finds_no_undeclared_package(clean: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('torch', 'skimage', 'cv2', 'pytest') if u.find_spec(n)])"
    done = subprocess.run([clean, "-c", code], capture_output=True, text=True, env=_environment(tmp_path), check=True)
    assert done.stdout.strip() == "[]"


def test_every_light_module_imports_with_what_is_declared(clean: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, vsvfi.models.registry, vsvfi.models.weights\n"
        "names = 'commands.cli commands.demo.command commands.evaluate.datasets commands.evaluate.metrics "
        "commands.evaluate.command commands.render.command commands.doctor commands.models commands.weights "
        "commands.compare filter.interpolate filter.plan filter.plugin'\n"
        "for name in names.split():\n"
        "    importlib.import_module('vsvfi.' + name)\n"
        "assert 'flow' in vsvfi.models.registry.backends() and not vsvfi.models.registry.problems()\n"
        "vsvfi.models.weights.networks()\n"
    )
    done = subprocess.run(
        [clean, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=_environment(tmp_path), check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``film.mkv``: nine small frames with colour tags."""
    folder = tmp_path_factory.mktemp("film")
    images = [np.ascontiguousarray(drawing.draw(0.3 + n / 24)[::4, ::4]) for n in range(9)]
    clip = clip_of_images(lambda n: images[n], length=9, fps=Fraction(24))
    with (folder / "film.y4m").open("wb") as file:
        clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709).output(file, y4m=True)
    ffmpeg.run(["-i", str(folder / "film.y4m"), "-c:v", "ffv1", str(folder / "film.mkv")], "test film")
    return folder


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["render", "film.mkv", "out.mkv"], "out.mkv"),
        (["compare", "film.mkv", "--frames", "0-4", "--out", "compare.html"], "compare.html"),
    ],
    ids=["render", "compare"],
)
def test_commands_run_with_what_is_declared(clean: Path, film: Path, arguments: list[str], written: str) -> None:
    done = subprocess.run(
        [clean, "-m", "vsvfi", *arguments],
        capture_output=True,
        text=True,
        cwd=film,
        env=_environment(film),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (film / written).stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--model", "jnmr"],
        ["compare", "film.mkv", "--models", "flow,jnmr"],
        ["train", "jnmr", "--config", "none.toml"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_torch_one_line_says_what_to_install(clean: Path, film: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [clean, "-m", "vsvfi", *arguments],
        capture_output=True,
        text=True,
        cwd=film,
        env=_environment(film),
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith(("pip install 'vsvfi[torch]'", "pip install 'vsvfi[train]'"))
    assert not done.stdout.strip()
    assert not (film / "demo").exists()


def test_demo_runs_with_what_is_declared(clean: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from vsvfi.commands.demo import command as demo\n"
        "result = demo.run(Path('demo'), seconds=0.2)\n"
        "assert result.psnr > result.blended_psnr + 3, result\n"
    )
    done = subprocess.run(
        [clean, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=_environment(tmp_path), check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "sheet.png").is_file()


@pytest.fixture
def hidden(clean: Path) -> Iterator[list[tuple[Path, Path]]]:
    """Files that a test moves away, put back afterwards."""
    moved: list[tuple[Path, Path]] = []
    yield moved
    for original, away in moved:
        original.unlink(missing_ok=True)
        away.rename(original)


@pytest.mark.parametrize(
    ("pattern", "content", "expected"),
    [
        ("vapoursynth/plugins/*vsvfi.*", None, "Native plugin: there is none in"),
        ("vapoursynth/plugins/*vsvfi.*", b"not a library", "does not load ("),
        ("vsvfi/compiled/*vsvfi_kernels.*", b"not a library", "Compiled kernels: "),
        ("vsvfi/filter/plugin.py", b"raise ImportError('broken on purpose')", "vsvfi.filter.plugin cannot be imported"),
    ],
)
def test_doctor_finds_what_was_broken_on_purpose(
    pattern: str, content: bytes | None, expected: str, clean: Path, hidden: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    packages = next((clean.parents[1] / "lib").glob("python3*/site-packages"))
    (victim,) = packages.glob(pattern)
    away = victim.with_name(victim.name + ".away")
    victim.rename(away)
    hidden.append((victim, away))
    if content is not None:
        victim.write_bytes(content)
    done = subprocess.run(
        [clean, "-m", "vsvfi", "doctor"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_environment(tmp_path),
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert expected in done.stdout
    assert "→ pip install --force-reinstall --no-deps vsvfi" in done.stdout
    assert "Traceback" not in done.stderr
