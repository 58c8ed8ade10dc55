"""`vsvfi eval` on several models, on motion, with learned metrics and on videos."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from vsvfi.commands.evaluate.command import evaluate, read_rows
from vsvfi.commands.evaluate.comparison import compare_models, markdown, worst
from vsvfi.commands.evaluate.datasets import DATASETS, load_image
from vsvfi.commands.evaluate.motion import MODELS, evaluate_motion, measure_motion
from vsvfi.commands.evaluate.perceptual import Perceptual
from vsvfi.commands.evaluate.rows import Row
from vsvfi.errors import VsvfiError

OPTIONS = {"device": "cpu", "precision": "auto"}


def console() -> Console:
    return Console(file=StringIO(), width=200)


def pan(count: int, step: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """Smooth texture that moves to the left by ``step`` pixels a frame."""
    rng = np.random.default_rng(0)
    height, width = size
    coarse = rng.integers(0, 255, (8, 40, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (width * 4, height), interpolation=cv2.INTER_CUBIC)
    return [wide[:, k * step : k * step + width] for k in range(count)]


@pytest.fixture
def triplets(tmp_path: Path) -> Path:
    """Two triplets, the second of faster motion."""
    root = tmp_path / "vimeo"
    for clip, step in (("0001", 1), ("0002", 6)):
        folder = root / "sequences/00001" / clip
        folder.mkdir(parents=True)
        for number, picture in enumerate(pan(3, step), 1):
            Image.fromarray(picture).save(folder / f"im{number}.png")
    (root / "tri_testlist.txt").write_text("00001/0001\n00001/0002\n")
    return root


def test_models_are_compared_in_one_run(triplets: Path, tmp_path: Path, models: Any) -> None:
    """A table as JSON and Markdown, and a page with the frame that was hardest."""
    del models
    out = tmp_path / "out"
    found = compare_models(
        "vimeo90k-triplet", triplets, ["flow", "fade"], OPTIONS, out=out, console=console(), worst_frames=1
    )
    assert found["flow"]["psnr"] > found["fade"]["psnr"] + 5
    written = json.loads((out / "vimeo90k-triplet.json").read_text())
    assert written["fade"]["psnr"] == found["fade"]["psnr"]
    table = (out / "vimeo90k-triplet.md").read_text().splitlines()
    assert table[0] == "# Vimeo90K triplet"
    assert table[2].startswith("| model | PSNR (dB) | SSIM |")
    assert [line.split(" | ")[0] for line in table[4:]] == ["| flow", "| fade"]
    page = (out / "vimeo90k-triplet.html").read_text()
    assert "00001/0002, time 1/2" in page
    assert "00001/0001, time" not in page
    assert page.count("data:image/png") == 3  # the truth and both models
    assert "LPIPS" not in page


def test_a_model_is_not_compared_with_itself(triplets: Path, tmp_path: Path) -> None:
    with pytest.raises(VsvfiError, match="models must be different ones, got flow, flow"):
        compare_models("vimeo90k-triplet", triplets, ["flow", "flow"], OPTIONS, out=tmp_path, console=console())


def test_worst_frames_are_those_of_all_models() -> None:
    """By the mean over the models; frames that are exact count 100 dB."""
    a = [Row("x", "1/2", 30.0, 1, 0, 0), Row("y", "1/2", 20.0, 1, 0, 0), Row("z", "1/2", math.inf, 1, 0, 0)]
    b = [Row("x", "1/2", 10.0, 1, 0, 0), Row("y", "1/2", 25.0, 1, 0, 0), Row("z", "1/2", 1.0, 1, 0, 0)]
    assert worst({"a": a, "b": b}, 2) == [("x", "1/2"), ("y", "1/2")]


def test_markdown_shows_what_was_measured() -> None:
    means = {"psnr": 30.123, "ssim": 0.91234, "rmse": 2.0, "mae": 1.0, "lpips": 0.04567}
    assert markdown("Title", {"flow": means}).splitlines()[-1] == "| flow | 30.12 | 0.9123 | 2.00 | 1.00 | 0.0457 |"


def _lpips_files(folder: Path) -> list[Path]:
    """AlexNet and linear weights that are random but fixed."""
    torch.manual_seed(0)
    channels = {"0": (64, 3, 11), "3": (192, 64, 5), "6": (384, 192, 3), "8": (256, 384, 3), "10": (256, 256, 3)}
    alexnet = {f"features.{k}.weight": torch.randn(o, i, s, s) / (i * s) for k, (o, i, s) in channels.items()}
    alexnet |= {f"features.{k}.bias": torch.zeros(o) for k, (o, _, _) in channels.items()}
    linear = {f"lin{n}.model.1.weight": torch.rand(1, o, 1, 1) for n, (o, _, _) in enumerate(channels.values())}
    torch.save(alexnet, folder / "alexnet.pth")
    torch.save(linear, folder / "alex.pth")
    return [folder / "alexnet.pth", folder / "alex.pth"]


def test_learned_metrics(triplets: Path, tmp_path: Path, models: Any) -> None:
    """Lower for the better model; kept in the CSV; 0 for the truth."""
    del models
    files = _lpips_files(tmp_path)
    perceptual = Perceptual(files)
    truth = pan(3, 6)
    assert perceptual(truth[1], truth[1], truth[0]) == (0, 0)
    found = {
        model: evaluate(
            "vimeo90k-triplet",
            triplets,
            {**OPTIONS, "model": model},
            out=tmp_path,
            lpips=files,
            console=console(),
        )
        for model in ("flow", "fade")
    }
    assert 0 < found["flow"]["lpips"] < found["fade"]["lpips"]
    assert 0 < found["flow"]["flolpips"] < found["fade"]["flolpips"]
    rows = read_rows(tmp_path / "vimeo90k-triplet-fade.csv")
    assert np.mean([row.lpips for row in rows]) == pytest.approx(found["fade"]["lpips"])


def test_videos_are_measured_on_the_frames_held_back(tmp_path: Path) -> None:
    """A pan that flow continues; windows end at a cut."""
    writer = cv2.VideoWriter(str(tmp_path / "pan.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64))
    for picture in [*pan(7, 2), *(255 - np.stack(pan(8, 2))[:, ::-1])]:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    samples = DATASETS["videos"].samples(tmp_path)
    assert [(len(s.inputs), len(s.targets)) for s in samples] == [(4, 3), (4, 3)]
    assert load_image(samples[1].inputs[0]).shape == (64, 96, 3)
    result = evaluate("videos", tmp_path, {**OPTIONS, "model": "flow"}, out=tmp_path / "out", console=console())
    assert result["psnr"] > 30


def test_motion_of_a_pan(triplets: Path, tmp_path: Path) -> None:
    """Motion that is the same everywhere is modelled by either baseline; the error is the estimator's."""
    found = evaluate_motion(
        "vimeo90k-triplet", triplets, ["linear", "forward-warp"], "dis", out=tmp_path, console=console()
    )
    report = json.loads((tmp_path / "vimeo90k-triplet-motion.json").read_text())
    assert report["measured"] == found
    assert (report["estimator"], report["frames"]) == ("dis", 2)
    for means in found.values():
        assert means["epe"] < 0.6
        assert means["psnr_f"] > 20


def test_motion_is_measured_between_the_frames_around(tmp_path: Path, triplets: Path) -> None:
    """A model that knows nothing is off by the motion itself: 2 pixels, and 12."""
    samples = DATASETS["vimeo90k-triplet"].samples(triplets)
    rows = list(measure_motion(samples, lambda forward, backward, time: 0 * forward, "dis"))
    assert [row.epe for row in rows] == pytest.approx([2, 12], abs=0.7)
    assert {row.time for row in rows} == {str(Fraction(1, 2))}


def test_forward_warp_carries_motion_along() -> None:
    """A square that moves by 4: half-way it is 2 further on, and so is its motion, mixed with what it covers."""
    flow = torch.zeros(1, 2, 8, 16)
    flow[:, 0, 2:6, 4:8] = 4
    found = MODELS["forward-warp"]()(flow, -flow, 0.5)
    assert found[0, 0, 3, 6:10].tolist() == pytest.approx([4, 4, 2, 2], abs=1e-5)
    assert found[0, 0, 3, 12:].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("dataset", "models", "message"),
    [
        ("vimeo90k-triplet", ["straight"], "unknown model of motion 'straight'; known are linear, forward-warp, gimm"),
        ("vimeo", ["linear"], "unknown dataset 'vimeo'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, dataset: str, models: list[str], message: str) -> None:
    with pytest.raises(VsvfiError, match=message):
        evaluate_motion(dataset, tmp_path, models, "dis", out=tmp_path, console=console())
