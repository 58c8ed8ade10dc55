"""Runs that are shared between processes, divided, killed, continued under other settings, or out of space."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from test_recipes import checkpoint, config, tensors

from vsvfi.models.recipe import Batch
from vsvfi.train import trainer
from vsvfi.train.checkpoint import CheckpointError
from vsvfi.train.config import Config, ConfigError, as_dict
from vsvfi.train.journal import psnr, ssim
from vsvfi.train.trainer import TrainingError, train

PROCESSES = Path(__file__).with_name("processes.py")


def small(steps: int = 2, **tables: dict[str, Any]) -> Config:
    """Batches of four, so that they can be divided."""
    run = {"batch": 4, "log_every": 1} | tables.pop("run", {})
    return config("figan", steps, run=run, validation={"scenes": 0} | tables.pop("validation", {}), **tables)


def spawn(run: Config, folder: Path, *arguments: str, torchrun: int = 0) -> int:
    """Train in a process of its own, or in several that torchrun starts; the exit status."""
    path = folder.with_suffix(".json")
    path.write_text(json.dumps(as_dict(run)))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={torchrun}"] if torchrun else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(PROCESSES), str(path), str(folder), *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, timeout=300).returncode


def assert_close(first: Path, second: Path, tolerance: float) -> None:
    """Two runs ended in about the same weights and averages."""
    one, other = checkpoint(first), checkpoint(second)
    for part in ("network", "average"):
        pairs = list(zip(tensors(one[part]), tensors(other[part]), strict=True))
        assert pairs
        for a, b in pairs:
            torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """With the same batch altogether; gradients are summed in another order."""
    run = small(3, loss={"adversarial": 1e-3})
    assert spawn(run, tmp_path / "two", torchrun=2) == 0
    train("figan", run, tmp_path / "one")
    # Batch normalisation in the discriminator sees half the batch: its part of the loss is tiny.
    assert_close(tmp_path / "one", tmp_path / "two", 2e-4)
    lines = (tmp_path / "two" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("on_device", [False, True])
def test_a_batch_in_parts_gives_the_same_gradient(tmp_path: Path, on_device: bool) -> None:
    data = {"draw_on_device": on_device, "noise": 1.0, "compression": 1.0}
    train("figan", small(data=data), tmp_path / "whole")
    train("figan", small(data=data, run={"accumulate": 4}), tmp_path / "parts")
    assert_close(tmp_path / "whole", tmp_path / "parts", 1e-5)


def test_a_batch_that_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.batch must be a multiple of processes x run\.accumulate = 1 x 3"):
        train("figan", small(run={"accumulate": 3}), tmp_path)


def test_a_killed_run_continues_from_its_last_checkpoint(tmp_path: Path) -> None:
    """To the bit; what it logged after that checkpoint is not there twice."""
    run = small(5, run={"save_minutes": 0.0, "batch": 1})
    assert spawn(run, tmp_path / "killed", "3") == -signal.SIGKILL
    assert checkpoint(tmp_path / "killed")["step"] == 3
    with (tmp_path / "killed" / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 1.0}\n{"step": 5, "lo')
    train("figan", run, tmp_path / "killed")
    train("figan", run, tmp_path / "alone")
    pairs = zip(tensors(checkpoint(tmp_path / "killed")), tensors(checkpoint(tmp_path / "alone")), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    lines = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]


def full_disk(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The disk is full the next so many times that something is saved; returns the tries."""
    save = torch.save
    tries: list[int] = []

    def saving(content: Any, file: Any) -> None:
        tries.append(1)
        if len(tries) <= times:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, file)

    monkeypatch.setattr(torch, "save", saving)
    return tries


def test_a_full_disk_on_the_way_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full_disk(monkeypatch, 2)
    assert train("figan", small(3, run={"save_minutes": 0.0}), tmp_path).finished
    assert "No space left on device; the run continues" in caplog.text
    assert checkpoint(tmp_path)["step"] == 3


def test_a_run_that_is_over_waits_for_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until there is some."""
    monkeypatch.setattr(trainer, "RETRY_SECONDS", 0)
    tries = full_disk(monkeypatch, 3)
    assert train("figan", small(1), tmp_path).finished
    assert len(tries) == 4
    assert "make room" in caplog.text
    assert checkpoint(tmp_path)["step"] == 1


def test_a_run_that_waits_for_space_can_be_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch, 100)
    monkeypatch.setattr("time.sleep", lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(CheckpointError, match="No space left on device"):
        train("figan", small(1), tmp_path)


def test_other_settings_are_named_and_want_leave(tmp_path: Path) -> None:
    """A rate 500 times higher does not go unnoticed; settings without effect on the result may change."""
    train("figan", small(1), tmp_path)
    other = small(2, optimizer={"rate": 1.0}, run={"save_minutes": 1.0, "batch": 2}, data={"noise": 0.5})
    with pytest.raises(CheckpointError) as error:
        train("figan", other, tmp_path)
    for change in (
        "data.noise was 0.0, is 0.5",
        "optimizer.rate was 0.002, is 1.0",
        "run.batch was 4, is 2",
        "run.steps was 1, is 2",
        "--allow",
    ):
        assert change in str(error.value)
    assert "save_minutes" not in str(error.value)
    assert train("figan", other, tmp_path, allow=True).step == 2
    moved = small(2, optimizer={"rate": 1.0}, run={"batch": 2, "threads": 1, "log_every": 7}, data={"noise": 0.5})
    assert train("figan", moved, tmp_path).finished


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with the step and the sample; the checkpoint holds the last good state."""
    made = trainer._Trainer.train_step

    def step(self: Any, parts: list[Batch]) -> dict[str, float]:
        if self.step == 2:
            parts[0].frames[1, 0, 0, 5, 5] = float("nan")
        return made(self, parts)

    monkeypatch.setattr(trainer._Trainer, "train_step", step)
    with pytest.raises(TrainingError, match=r"not finite at step 3, sample 9; the last checkpoint is untouched"):
        train("figan", small(4, run={"save_minutes": 0.0}), tmp_path)
    kept = checkpoint(tmp_path)
    assert kept["step"] == 2
    assert all(value.isfinite().all() for value in tensors(kept["network"]))


def test_averages_hold_the_statistics_of_batch_normalisation(tmp_path: Path) -> None:
    """They are not those of the untrained network."""
    train("voxel-flow", config("voxel-flow", 3, validation={"scenes": 0}), tmp_path)
    average = checkpoint(tmp_path)["average"]
    assert average["conv1_bn.running_mean"].abs().max() > 1e-4
    assert average["conv1_bn.num_batches_tracked"] == 3


def test_samples_are_shown(tmp_path: Path) -> None:
    """As PNG, a row for each: the frame before, what was made, the truth, the frame after; PSNR and SSIM are logged."""
    result = train("figan", small(1, validation={"scenes": 3, "pictures": 2}), tmp_path)
    picture = cv2.imread(str(tmp_path / "samples" / "0000001.png"))
    assert picture is not None
    assert picture.shape == (2 * 32, 4 * 32, 3)
    assert set(result.validation) == {"validation/scenes", "ssim/scenes"}
    assert 0 < result.validation["ssim/scenes"] < 1


def test_measures() -> None:
    """An error of one code value everywhere is 48.13 dB; SSIM is 1 for equal frames, else as skimage has it."""
    from skimage.metrics import structural_similarity

    torch.manual_seed(0)
    truth = (torch.rand(1, 3, 32, 40) * 200).round() / 255
    assert psnr(truth + 1 / 255, truth) == pytest.approx(48.1308, abs=1e-3)
    assert ssim(truth, truth) == pytest.approx(1)
    frame = (truth + 0.1 * torch.randn_like(truth)).clamp(0, 1)
    images = [value[0].permute(1, 2, 0).double().numpy() for value in (frame, truth)]
    expected = structural_similarity(  # type: ignore[no-untyped-call]
        *images, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    assert ssim(frame, truth) == pytest.approx(float(expected), abs=0.01)
