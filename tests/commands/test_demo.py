"""The demo, shortened: what it draws, measures and writes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from vsvfi.commands.demo import command as demo
from vsvfi.commands.demo import drawing

RUN = """
import pickle, sys
from pathlib import Path
from vsvfi.commands.demo import command as demo
result = demo.run(Path(sys.argv[1]), seconds=0.4)
heavy = [name for name in ("torch", "skimage", "scipy") if name in sys.modules]
Path(sys.argv[1], "result.pickle").write_bytes(pickle.dumps((result, heavy)))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[demo.Result, list[str]]:
    """What one run of the demo in a process of its own measured, and which heavy packages it imported."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, "-c", RUN, str(folder)], check=True)
    made: tuple[demo.Result, list[str]] = pickle.loads((folder / "result.pickle").read_bytes())
    return made


@pytest.fixture(scope="module")
def result(run: tuple[demo.Result, list[str]]) -> demo.Result:
    return run[0]


def test_drawing_is_a_function_of_time_alone() -> None:
    first = drawing.draw(0.37)
    drawing.draw(1.4)
    assert np.array_equal(drawing.draw(0.37), first)
    assert first.shape == (drawing.HEIGHT, drawing.WIDTH, 3)


def test_drawing_moves_smoothly_and_cuts_once() -> None:
    now = drawing.draw(0.5).astype(int)
    step = np.abs(drawing.draw(0.5 + 1 / 240) - now).mean()
    assert 0 < step < 6
    cut = np.abs(drawing.draw(drawing.CUT).astype(int) - drawing.draw(drawing.CUT - 1e-6)).mean()
    assert cut > 10 * step


def test_caption_stands_still_in_the_truth() -> None:
    plate = (slice(24, 58), slice(28, 200))
    assert np.array_equal(drawing.draw(0.1)[plate], drawing.draw(1.9)[plate])
    assert drawing.draw(0.1)[plate].max() > 240


def test_interpolation_beats_blending_by_far(result: demo.Result) -> None:
    assert len(result.new) == 12  # two scenes of three frames: two gaps each, three new frames a gap
    assert result.psnr > result.blended_psnr + 6
    assert all(result.new[n] > result.blended[n] for n in result.new)


def test_source_frames_cut_and_caption_are_as_promised(result: demo.Result) -> None:
    assert result.sources_exact
    assert result.cut_held
    assert result.caption_error <= demo.CAPTION_TOLERANCE


def test_files_are_written(result: demo.Result) -> None:
    by_suffix = {path.suffix: path for path in result.files}
    assert set(by_suffix) >= {".png", ".y4m"}
    with Image.open(by_suffix[".png"]) as sheet:
        assert sheet.width == 1600
    video = by_suffix[".y4m"].read_bytes()
    assert video.startswith(b"YUV4MPEG2")
    assert b" F60:1 " in video[:100]
    assert video.count(b"FRAME") >= 24
    if ".mp4" in by_suffix:
        assert by_suffix[".mp4"].stat().st_size > 10_000
    assert not (by_suffix[".png"].parent / "demo-both.y4m").exists()


def test_demo_needs_no_heavy_package(run: tuple[demo.Result, list[str]]) -> None:
    assert run[1] == []


def test_command_prints_the_table(result: demo.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run", lambda folder, **options: result)
    said = StringIO()
    demo.demonstrate(Path("demo"), "flow", Console(file=said, width=200))
    assert "frame blending" in said.getvalue()
    assert f"{result.psnr:.2f} dB" in said.getvalue()
    assert f"{result.speed:.1f} output frames a second at 768x432" in said.getvalue()
    assert "not so" not in said.getvalue()
    assert all(str(path) in said.getvalue() for path in result.files)


def test_command_says_what_is_not_as_promised(result: demo.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run", lambda folder, **options: replace(result, cut_held=False))
    said = StringIO()
    demo.demonstrate(Path("demo"), "flow", Console(file=said, width=200))
    assert "not so: at the cut the last frame of the scene is held" in said.getvalue()
