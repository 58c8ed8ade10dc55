"""Every example runs in vspipe, and makes as many frames as it promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import clip_of_images
from vsvfi.commands.demo import drawing

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
VSPIPE = Path(sys.executable).with_name("vspipe")
FILM = Fraction(24000, 1001)

pytestmark = [
    pytest.mark.skipif(ffmpeg.find() is None, reason="ffmpeg is not there"),
    pytest.mark.skipif(not hasattr(vs.core, "bs"), reason="BestSource is not there"),
    pytest.mark.skipif(not VSPIPE.is_file(), reason="vspipe is not beside this Python"),
]

# Name: output frames of a source of eight frames at 23.976, rate, format.
EXPECTED = {
    "simple.vpy": (32, FILM * 4, "420mpeg2"),
    "film-to-60.vpy": (20, Fraction(60000, 1001), "420mpeg2"),
    "anime.vpy": (20, Fraction(60000, 1001), "420mpeg2"),
    "hdr.vpy": (16, FILM * 2, "420p10"),
    "own-scene-detector.vpy": (16, FILM * 2, "420mpeg2"),
    "arguments.vpy": (16, FILM * 2, "420mpeg2"),
    "mask.vpy": (16, FILM * 2, "420mpeg2"),
    "slow-motion.vpy": (64, FILM, "420mpeg2"),
    "variable-frame-rate.vpy": (21, Fraction(60), "420mpeg2"),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small frames, with a cut after the fourth."""
    folder = tmp_path_factory.mktemp("examples")
    times = [0.5 + n / 24 for n in range(4)] + [1.2 + n / 24 for n in range(4)]
    images = [np.ascontiguousarray(drawing.draw(time)[::4, ::4]) for time in times]
    clip = clip_of_images(lambda n: images[n], length=8, fps=FILM)
    raw = folder / "film.y4m"
    with raw.open("wb") as file:
        clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709).output(file, y4m=True)
    path = folder / "film.mkv"
    ffmpeg.run(["-i", str(raw), "-c:v", "ffv1", str(path)], "test film")
    return path


def _run(name: str, folder: Path, *arguments: str) -> tuple[dict[str, str], int]:
    """Run a copy of an example beside ``film.mkv``: vspipe looks for files from the script's folder."""
    script = shutil.copy(EXAMPLES / name, folder)
    done = subprocess.run([VSPIPE, "-c", "y4m", *arguments, script, "-"], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    header, _, rest = done.stdout.partition(b"\n")
    return {word[:1]: word[1:] for word in header.decode().split()[1:]}, rest.count(b"FRAME\n")


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.vpy")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_example_runs_as_it_is(name: str, film: Path) -> None:
    frames, rate, sampling = EXPECTED[name]
    header, count = _run(name, film.parent)
    assert Fraction(header["F"].replace(":", "/")) == rate
    assert count == frames
    assert header["C"] == sampling or header["C"].startswith("420")
    assert (header["C"] == "420p10") == (sampling == "420p10")


@pytest.mark.parametrize("name", EXPECTED)
def test_example_says_when_to_use_it(name: str) -> None:
    head = [line for line in (EXAMPLES / name).read_text().splitlines() if line.startswith("#")]
    assert any("When to use it:" in line for line in head)


def test_arguments_reach_the_script(film: Path) -> None:
    header, count = _run("arguments.vpy", film.parent, "-a", f"source={film}", "-a", "factor=2.5", "-a", "quality=fast")
    assert count == 20
    assert Fraction(header["F"].replace(":", "/")) == FILM * Fraction(5, 2)
