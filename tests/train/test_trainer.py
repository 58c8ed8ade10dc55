"""The training loop."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from test_footage import shot, write
from torch import Tensor

from vsvfi.models import weights
from vsvfi.models.registry import UnknownModelError
from vsvfi.train import trainer
from vsvfi.train.adversary import Adversary
from vsvfi.train.checkpoint import CheckpointError, save_checkpoint
from vsvfi.train.config import Config, ConfigError, load_config, parse_config
from vsvfi.train.trainer import Result, learning_rate, train

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {"kernel_size": 1, "channels": 8, "synthesis_channels": 8, "primed": True}
DATA = {"crop": 32, "margin": 8, "workers": 0, "textures": 2, "texture_size": 64}


def config(steps: int = 4, *, model: dict[str, Any] | None = None, **tables: dict[str, Any]) -> Config:
    """A run of seconds."""
    run = {"steps": steps, "batch": 1, "device": "cpu", "log_every": 1} | tables.pop("run", {})
    content = {
        "model": SMALL if model is None else model,
        "data": DATA | tables.pop("data", {}),
        "validation": {"every": 100, "scenes": 1} | tables.pop("validation", {}),
        "run": run,
    }
    return parse_config(content | tables)


def state(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a run."""
    content: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)
    return content


def flat(content: Any) -> list[Tensor]:
    """Every tensor in nested containers."""
    if isinstance(content, Tensor):
        return [content]
    if isinstance(content, dict):
        content = list(content.values())
    return [tensor for item in content for tensor in flat(item)] if isinstance(content, list) else []


def stopped_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Send the process an interrupt, as a user does, while step ``steps`` is made."""
    made = trainer._Trainer.train_step
    count = 0

    def step(self: Any, *args: Any) -> dict[str, float]:
        nonlocal count
        count += 1
        if count == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return made(self, *args)

    monkeypatch.setattr(trainer._Trainer, "train_step", step)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """An uninterrupted run of four steps."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train("jnmr", config(), folder)


def test_a_run_leaves_weights_logs_and_a_checkpoint(whole: tuple[Path, Result], tmp_path: Path) -> None:
    """What it says at the end is there; the weights load as a user's do, at half the size of fp32."""
    folder, result = whole
    assert (result.step, result.finished) == (4, True)
    assert result.validation["validation/scenes"] > 10
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    network = weights.assemble(weights.networks()["jnmr"], [weights.read(result.weights)])
    average = state(folder)["average"]
    for name, value in network.state_dict().items():
        assert torch.allclose(value, average[name], atol=2e-3), name
    assert result.weights.stat().st_size < 0.55 * sum(4 * value.numel() for value in average.values()) + 50_000


def test_an_interrupted_run_goes_on_to_the_bit(
    whole: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in step 2 and started again, a run ends in the same state as one that was left alone."""
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        first = train("jnmr", config(), tmp_path)
    assert (first.step, first.finished) == (2, False)
    second = train("jnmr", config(), tmp_path)
    assert second.finished
    alone, resumed = state(whole[0]), state(tmp_path)
    assert alone["step"] == resumed["step"] == 4
    for part in ("network", "average", "optimizer"):
        pairs = list(zip(flat(alone[part]), flat(resumed[part]), strict=True))
        assert pairs
        assert all(torch.equal(a, b) for a, b in pairs), part


def test_a_run_stops_itself(tmp_path: Path) -> None:
    """With a time limit, it saves and says that it is not done."""
    result = train("jnmr", config(1000, validation={"scenes": 0}), tmp_path, stop_minutes=0)
    assert (result.step, result.finished) == (1, False)
    assert state(tmp_path)["step"] == 1


def test_training_learns(tmp_path: Path) -> None:
    """A static scene set, many steps: the loss falls."""
    learning = config(
        25,
        data={"textures": 1, "any_timestep": False, "noise": 0, "compression": 0, "repeat_outer": 0},
        model=SMALL | {"primed": False, "timestep": False, "cfse": False, "regression": False},
        optimizer={"name": "adamw", "rate": 3e-3},
        validation={"scenes": 2, "every": 25},
    )
    train("jnmr", learning, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    measured = [line["validation/scenes"] for line in lines if "validation/scenes" in line]
    assert measured[-1] > measured[0] + 0.02
    average, current = state(tmp_path)["average"], state(tmp_path)["network"]
    assert not all(torch.equal(average[name], current[name]) for name in current)


def test_a_full_disk_leaves_the_previous_checkpoint(
    whole: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so; the file is as it was, and nothing half-written lies about."""
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"step": 1})
    before = path.read_bytes()

    def full(content: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match=r"No space left on device; the previous one is untouched"):
        save_checkpoint(path, {"step": 2})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoints_of_others_are_refused(whole: tuple[Path, Result], tmp_path: Path) -> None:
    """Of another model, of another network, weights alone, rubbish."""
    mine = whole[0] / "last.ckpt"
    with pytest.raises(CheckpointError, match="is a checkpoint of jnmr, not of mind"):
        train("mind", config(model={}, data={"any_timestep": False}), tmp_path, resume=mine)
    with pytest.raises(CheckpointError, match=r"other \[model\] settings"):
        train("jnmr", config(model=SMALL | {"cfse": False}), tmp_path, resume=mine)
    (tmp_path / "a.ckpt").write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        train("jnmr", config(), tmp_path, resume=tmp_path / "a.ckpt")
    torch.save({"trunk.conv1.0.weight": torch.zeros(1)}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="weights alone cannot be resumed"):
        train("jnmr", config(), tmp_path, resume=tmp_path / "a.ckpt")


def test_a_model_without_weights_says_how_to_train_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where none are published."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    with pytest.raises(weights.WeightsError, match=r"train it \(vsvfi train mind --config FILE"):
        weights.locate(weights.networks()["mind"])


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    """Unknown models, settings a model does not have, sizes it cannot take, a device that is not there."""
    with pytest.raises(ConfigError, match=r"'flow' cannot be trained; models that can: .*figan, .*jnmr"):
        train("flow", config(), tmp_path)
    with pytest.raises(UnknownModelError, match="unknown model 'jnrm'"):
        train("jnrm", config(), tmp_path)
    with pytest.raises(ConfigError, match="reaches the midpoint only"):
        train("mind", config(model={}), tmp_path)
    with pytest.raises(ConfigError, match=r"unknown key model.kernel_size; known are tiny"):
        train("mind", config(data={"any_timestep": False}), tmp_path)
    with pytest.raises(ConfigError, match=r"model\.kernel_size must be odd, got 4"):
        train("jnmr", config(model={"kernel_size": 4}), tmp_path)
    with pytest.raises(ConfigError, match=r"model\.channels must be between 8 and 256, got 3"):
        train("jnmr", config(model={"channels": 3}), tmp_path)
    with pytest.raises(ConfigError, match="reaches the midpoint only"):
        train("jnmr", config(model={"timestep": False}), tmp_path)
    with pytest.raises(ConfigError, match=r"data\.crop must be a multiple of 32 for mind, got 100"):
        train("mind", config(model={}, data={"any_timestep": False, "crop": 100}), tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no usable CUDA device"):
            train("jnmr", config(run={"device": "cuda"}), tmp_path)


def test_the_gpu_configuration_starts(tmp_path: Path) -> None:
    """The run meant for a GPU begins on a CPU, at the smallest size; only sizes and paths are changed."""
    given = load_config(CONFIGS / "jnmr.toml")
    small: dict[str, Any] = {
        "crop": 32,
        "textures": 2,
        "texture_size": 64,
        "photos": "",
        "footage": (),
        "scenes": 1.0,
        "workers": 0,
    }
    shortened = dataclasses.replace(
        given,
        data=dataclasses.replace(given.data, **small),
        validation=dataclasses.replace(given.validation, scenes=0, footage=()),
        run=dataclasses.replace(given.run, steps=1, batch=1, device="cpu", precision="fp32", compile=False),
    )
    assert train("jnmr", shortened, tmp_path).finished


def test_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled run learns what the other one does; without a code generator, for its compiler takes minutes."""
    compiler = torch.compile
    calls = []

    def traced(network: Any) -> Any:
        calls.append(network)
        return compiler(network, backend="eager")

    monkeypatch.setattr(torch, "compile", traced)
    losses = []
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        train("jnmr", config(1, run={"compile": compiled}, validation={"scenes": 0}), folder)
        logged = (json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines())
        losses.append(next(line["loss"] for line in logged if "loss" in line))
    assert len(calls) == 1
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert state(tmp_path / "True")["network"].keys() == state(tmp_path / "False")["network"].keys()


def test_gradients_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights move by a gradient of the norm asked for; the log has the one that there was."""
    norms = []
    made = trainer._Trainer.train_step

    def step(self: Any, *args: Any) -> dict[str, float]:
        values = made(self, *args)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norms.append((values["gradient"], torch.cat([g.flatten() for g in gradients]).norm().item()))
        return values

    monkeypatch.setattr(trainer._Trainer, "train_step", step)
    train("jnmr", config(1, optimizer={"clip": 1e-3}, validation={"scenes": 0}), tmp_path)
    ((before, after),) = norms
    assert before > 2e-3
    assert after == pytest.approx(1e-3, rel=1e-2)


def test_tensorboard(tmp_path: Path) -> None:
    """Where it is installed, it can be looked on."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train("jnmr", config(2, validation={"scenes": 0}), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision(tmp_path: Path, caplog: pytest.LogCaptureFixture, precision: str) -> None:
    """It works on a CPU too; the weights stay fp32."""
    mixed = config(1, run={"precision": precision}, validation={"scenes": 0})
    with caplog.at_level(logging.WARNING):
        train("jnmr", mixed, tmp_path)
    assert not caplog.records
    assert {value.dtype for value in state(tmp_path)["network"].values()} == {torch.float32}


def test_footage_is_validated_on(tmp_path: Path) -> None:
    """Every second frame is held back and predicted."""
    path = write(tmp_path / "pan.avi", shot(1, 12))
    real = config(1, validation={"footage": [str(path)], "scenes": 0, "every": 1, "windows": 2})
    result = train("jnmr", real, tmp_path / "run")
    assert result.validation["validation/pan"] > 25


def test_schedules() -> None:
    """Halving stops at the floor; the cosine begins after the warm-up and ends there."""
    halving = config(100, optimizer={"rate": 1e-3, "floor": 1e-4, "halve_every": 10})
    assert [learning_rate(halving, s) for s in (0, 9, 10, 25, 99)] == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4, 1e-4])
    cosine = config(100, optimizer={"schedule": "cosine", "rate": 1e-3, "floor": 1e-5, "warmup": 10})
    assert learning_rate(cosine, 0) == pytest.approx(1e-4)
    assert learning_rate(cosine, 10) == pytest.approx(1e-3)
    assert learning_rate(cosine, 55) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(cosine, 100) == pytest.approx(1e-5)


FIGAN = {"model": {}, "data": {"any_timestep": False, "repeat_outer": 0.0}, "loss": {"adversarial": 1e-4}}


def test_discriminator_learns_to_tell_made_frames_from_real_ones() -> None:
    torch.manual_seed(0)
    adversary = Adversary(1e-3, torch.device("cpu"))
    real, made = torch.rand(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    told = [adversary.learn(made, real) for _ in range(20)]
    assert told[-1] < 0.6 * told[0]
    assert adversary.loss(made) > adversary.loss(real)  # looking real is what pays


def test_adversary_pulls_the_network(tmp_path: Path) -> None:
    train("figan", config(1, **FIGAN), tmp_path / "with")
    train("figan", config(1, **(FIGAN | {"loss": {}})), tmp_path / "without")
    names = [set(json.loads((tmp_path / run / "log.jsonl").read_text().splitlines()[1])) for run in ("with", "without")]
    assert names[0] - names[1] == {"adversarial", "discriminator"}
    network = [state(tmp_path / run)["network"]["refinement.10.weight"] for run in ("with", "without")]
    assert not torch.equal(*network)


def test_adversarial_run_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train("figan", config(3, **FIGAN), tmp_path / "whole")
    with monkeypatch.context() as context:
        stopped_after(context, 2)
        train("figan", config(3, **FIGAN), tmp_path / "parts")
    train("figan", config(3, **FIGAN), tmp_path / "parts")
    whole, parts = (flat(state(tmp_path / run)) for run in ("whole", "parts"))
    assert len(whole) == len(parts)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_run_without_an_adversary_gets_none_later(tmp_path: Path) -> None:
    train("figan", config(1, **(FIGAN | {"loss": {}})), tmp_path)
    with pytest.raises(CheckpointError, match=r"is of a run without an adversary; set loss.adversarial = 0"):
        train("figan", config(2, **FIGAN), tmp_path, allow=True)
