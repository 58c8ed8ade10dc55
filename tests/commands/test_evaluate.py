"""`vsvfi eval` on tiny benchmarks whose answers are known."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from vsvfi.commands.evaluate import command as tool
from vsvfi.commands.evaluate import metrics, rows, work
from vsvfi.commands.evaluate.datasets import DATASETS, Sample
from vsvfi.commands.workers.crew import Crew
from vsvfi.errors import VsvfiError
from vsvfi.models import registry

OPTIONS = {"model": "flow", "device": "cpu", "precision": "auto"}


def _console() -> Console:
    return Console(file=StringIO(), width=200)


def _said(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _grey(path: Path, level: int, size: tuple[int, int] = (48, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)


@pytest.fixture
def triplets(tmp_path: Path) -> Path:
    """Three triplets of grey frames, each of another grey and the last of another size; the middle is off by one."""
    root = tmp_path / "vimeo"
    for clip, level, size in (("0001", 20, (48, 32)), ("0002", 200, (48, 32)), ("0003", 90, (40, 36))):
        for number in (1, 2, 3):
            _grey(root / f"sequences/00001/{clip}/im{number}.png", level + (number == 2), size)
    (root / "tri_testlist.txt").write_text("00001/0001\n00001/0002\n00001/0003\n")
    return root


def test_samples_are_measured_apart_from_each_other(triplets: Path, tmp_path: Path) -> None:
    # Made frames are the grey of their own sample; were a cut ignored, the next sample's grey would mix in.
    result = tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path / "out", console=_console())
    assert result["mae"] == 1.0
    assert result["rmse"] == 1.0
    assert result["psnr"] == pytest.approx(20 * math.log10(255))


def test_csv_and_json_are_written(triplets: Path, tmp_path: Path) -> None:
    console = _console()
    tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, limit=2, console=console)
    with (tmp_path / "vimeo90k-triplet-flow.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["sample"], line["time"]) for line in lines] == [("00001/0001", "1/2"), ("00001/0002", "1/2")]
    report = json.loads((tmp_path / "vimeo90k-triplet-flow.json").read_text())
    assert report["samples"] == report["frames"] == 2
    assert report["options"] == OPTIONS
    assert report["measured"]["mae"] == 1.0
    assert "48.13" in _said(console)


def test_workers_measure_the_same(triplets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BATCH", 1)
    crews = {"one": Crew(), "two": Crew(workers=2)}
    for name, crew in crews.items():
        out = tmp_path / name
        tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=out, crew=crew, console=_console())
    one, two = ((tmp_path / name / "vimeo90k-triplet-flow.json").read_text() for name in crews)
    assert json.loads(one)["frames"] == 3
    assert two == one


def test_resume_measures_only_what_is_missing(triplets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, limit=2, console=_console())
    seen: list[str] = []
    measure = rows.measure

    def spy(samples: list[Sample], options: dict[str, Any], _perceptual: Any) -> Any:
        seen.extend(sample.name for sample in samples)
        return measure(samples, options)

    monkeypatch.setattr(work, "measure", spy)
    result = tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, resume=True, console=_console())
    assert seen == ["00001/0003"]
    assert result["mae"] == 1.0
    assert len((tmp_path / "vimeo90k-triplet-flow.csv").read_text().splitlines()) == 4


def test_an_interruption_keeps_what_was_measured(
    triplets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = rows.measure

    def broken(samples: list[Sample], options: dict[str, Any], _perceptual: Any) -> Iterator[Any]:
        yield next(measure(samples, options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "measure", broken)
        with pytest.raises(KeyboardInterrupt):
            tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, console=_console())
    assert len((tmp_path / "vimeo90k-triplet-flow.csv").read_text().splitlines()) == 2
    tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, resume=True, console=_console())
    assert len((tmp_path / "vimeo90k-triplet-flow.csv").read_text().splitlines()) == 4


def test_resume_refuses_other_settings(triplets: Path, tmp_path: Path) -> None:
    tool.evaluate("vimeo90k-triplet", triplets, OPTIONS, out=tmp_path, limit=1, console=_console())
    with pytest.raises(VsvfiError, match="measured with other settings"):
        tool.evaluate(
            "vimeo90k-triplet",
            triplets,
            {**OPTIONS, "quality": "fast"},
            out=tmp_path,
            resume=True,
            console=_console(),
        )


def test_targets_are_taken_at_their_times(tmp_path: Path) -> None:
    # A still picture that brightens from 0 to 160 passes 20, 40, ... at the seven instants of X-TEST.
    clip = tmp_path / "Type1" / "a"
    for number in range(0, 33, 4):
        _grey(clip / f"{number:04d}.png", 5 * number)
    result = tool.evaluate("xtest-4k", tmp_path, OPTIONS, out=tmp_path / "out", console=_console())
    assert result["mae"] <= 1.0
    rows = (tmp_path / "out" / "xtest-4k-flow.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8"]


def test_the_middle_of_a_septuplet_is_between_its_middle_references(tmp_path: Path) -> None:
    for number in range(1, 8):
        _grey(tmp_path / f"sequences/00001/0001/im{number}.png", {3: 100, 4: 110, 5: 120}.get(number, 0))
    (tmp_path / "sep_testlist.txt").write_text("00001/0001\n")
    result = tool.evaluate("vimeo90k-septuplet", tmp_path, OPTIONS, out=tmp_path / "out", console=_console())
    assert result["mae"] <= 1.0


def test_masks_leave_out_what_lies_outside() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    image = truth.copy()
    image[:8] ^= 255
    mask = np.zeros((16, 16), bool)
    mask[8:] = True
    image[8, 0, 0] = truth[8, 0, 0] ^ 3
    inside = rows._scored(image, truth, mask)
    assert inside[0] == pytest.approx(metrics.psnr(image[8:], truth[8:]))
    assert inside[1] > 0.99


def test_exact_frames_do_not_spoil_the_mean() -> None:
    measured = [rows.Row("a", "1/2", math.inf, 1.0, 0.0, 0.0), rows.Row("b", "1/2", 40.0, 0.9, 2.0, 1.0)]
    assert tool.means(measured) == {"psnr": 40.0, "ssim": 0.95, "rmse": 1.0, "mae": 0.5}


def test_published_figures_are_printed_beside(triplets: Path, tmp_path: Path) -> None:
    assert tool.published("ifrnet", "vimeo90k-triplet") == {"psnr": 35.80, "ssim": 0.9794}
    assert tool.published("flow", "vimeo90k-triplet") == {}
    # The paper's figures are of a network many times the size of the one that ships.
    assert tool.published("jnmr", "vimeo90k-septuplet") == {}
    console = _console()
    tool._print(
        DATASETS["vimeo90k-triplet"],
        "ifrnet",
        {"psnr": 35.79, "ssim": 0.97931, "rmse": 4.5, "mae": 2.5},
        tool.published("ifrnet", "vimeo90k-triplet"),
        3782,
        console,
    )
    said = _said(console)
    assert "35.79" in said
    assert "35.80" in said
    assert "0.9794" in said


def test_published_figures_name_known_benchmarks_and_metrics() -> None:
    table = json.loads(Path(tool.__file__).with_name("published.json").read_text())
    for model, benchmarks in table.items():
        if model != "comment":
            assert set(benchmarks) <= set(DATASETS)
            assert all(set(figures) <= set(tool.METRICS) for figures in benchmarks.values())


def test_unknown_datasets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VsvfiError, match="unknown dataset 'vimeo'; known are middlebury-other"):
        tool.evaluate("vimeo", tmp_path, OPTIONS, out=tmp_path, console=_console())


def test_models_that_enlarge_are_refused(triplets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(registry.find("flow"), name="large", spatial_scale=4)
    monkeypatch.setattr(registry, "find", lambda name: large)
    with pytest.raises(VsvfiError, match="model 'large' enlarges frames 4 times"):
        tool.evaluate("vimeo90k-triplet", triplets, {"model": "large"}, out=tmp_path, console=_console())


def test_datasets_are_listed_with_their_layouts() -> None:
    console = _console()
    tool.list_datasets(console)
    assert all(name in _said(console) for name in DATASETS)
    assert "tri_testlist.txt" in _said(console)


def test_times_are_in_source_frames() -> None:
    assert (
        rows.denominator(Sample(name="a", inputs=(), targets=((Fraction(1, 4), Path()), (Fraction(1, 6), Path()))))
        == 12
    )
