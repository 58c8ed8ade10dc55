"""Every model that names a recipe can be trained, and what comes out can be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vsvfi.models import weights
from vsvfi.models.info import BackendInfo, load_object
from vsvfi.models.settings import ConfigError
from vsvfi.train import trainer
from vsvfi.train.config import Config, as_dict, parse_config
from vsvfi.train.trainer import train

TRAINABLE = sorted(name for name, info in weights.networks().items() if info.recipe)
STEPS = 30
WHOLE_RUNS = (
    "amt-s",
    "ema-vfi-small",
    "figan",
    "gimm",
    "gimm-vfi-r",
    "ifrnet",
    "ifrnet-l",
    "ifrnet-s",
    "jnmr",
    "jnmr-baseline",
    "memc-net",
    "mind",
    "rife-4.26",
    "sepconv",
    "super-slomo",
    "toflow",
)
"""One or more of every family; the rest makes single steps.

Deep Voxel Flow is among the rest: its batch normalisation (momentum 0.9997) keeps the statistics of the last batch
alone, which is one tiny crop here.
"""

PARAMETERS = {
    "amt-g": 30_638_919,
    "amt-l": 12_935_367,
    "amt-s": 2_990_543,
    "bmbc": 11_014_312,
    "ema-vfi": 65_662_359,
    "ema-vfi-small": 14_489_815,
    "gimm": 248_740,
    "ifrnet": 4_959_692,
    "ifrnet-l": 19_699_460,
    "ifrnet-s": 2_803_610,
    "memc-net": 67_260_469,
    "memc-net-s": 7_204_367,
    "memc-net-star": 70_312_501,
    "rife-4.26": 5_664_776,
    "sepconv": 21_675_452,
    "super-slomo": 39_610_473,
    "voxel-flow": 3_821_891,
    "zooming-slow-mo": 11_102_771,
}
"""Of the published networks."""


def config(model: str, steps: int, **tables: dict[str, Any]) -> Config:
    """A tiny network on the smallest crops that it takes."""
    info = weights.networks()[model]
    multiple, minimum, any_timestep = 32, 32, True
    if isinstance(info, BackendInfo):
        multiple, minimum, any_timestep = info.multiple, info.minimum, info.timesteps == "any"
    size = max(32, minimum) * info.spatial_scale if isinstance(info, BackendInfo) else 32
    tiny = {"kernel_size": 1, "channels": 8, "synthesis_channels": 8} if model == "jnmr" else {"tiny": True}
    content: dict[str, dict[str, Any]] = {
        "model": tiny,
        "data": {"crop": -(-size // multiple) * multiple, "workers": 0, "textures": 2, "texture_size": 64},
        "optimizer": {"name": "adamw", "rate": 2e-3, "schedule": "cosine", "ema": 0.8},
        "validation": {"scenes": 4, "every": 1000},
        "run": {"steps": steps, "batch": 1, "device": "cpu"},
    }
    undisturbed = {"any_timestep": any_timestep, "noise": 0, "compression": 0, "repeat_outer": 0}
    content["data"] |= undisturbed
    return parse_config({key: content[key] | tables.get(key, {}) for key in content})


def tensors(content: Any) -> list[Tensor]:
    """Every tensor in nested containers."""
    if isinstance(content, Tensor):
        return [content]
    if isinstance(content, dict):
        content = list(content.values())
    return [tensor for item in content for tensor in tensors(item)] if isinstance(content, list) else []


def checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)
    return content


@pytest.mark.parametrize("model", WHOLE_RUNS)
def test_training_learns_and_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """On scenes that it has not seen; from the middle of the run on, a second run ends in the same state.

    The weights that a run prints can be added, and no other model's are they taken for.
    """
    run = config(model, STEPS, run={"save_minutes": 0.0})
    save = trainer._Trainer.save

    def keep_the_middle(self: Any) -> None:
        save(self)
        if self.step == STEPS // 2 and self.folder == tmp_path / "whole":
            shutil.copy(self.checkpoint, tmp_path / "middle.ckpt")

    monkeypatch.setattr(trainer._Trainer, "save", keep_the_middle)
    result = train(model, run, tmp_path / "whole")
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert result.validation["validation/scenes"] > lines[0]["validation/scenes"] + 0.05

    train(model, run, tmp_path / "second", resume=tmp_path / "middle.ckpt")
    whole, second = tensors(checkpoint(tmp_path / "whole")), tensors(checkpoint(tmp_path / "second"))
    assert len(whole) == len(second) > 0
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))

    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    check_added(result.weights, model, tmp_path / "whole")


def check_added(path: Path, model: str, run: Path) -> None:
    """``vsvfi weights add MODEL FILE``, or without the model, and the filter finds what was trained."""
    added = weights.add(path, model)
    assert weights.add(path).path == added.path
    network = weights.load(weights.networks()[model])
    average = checkpoint(run)["average"]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, average[name], atol=2e-3, rtol=2e-3, msg=name)


@pytest.mark.parametrize("model", sorted(set(TRAINABLE) - set(WHOLE_RUNS) - {f"rife-4.{n}" for n in range(1, 26)}))
def test_weights_load_by_the_command_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    result = train(model, config(model, 1, validation={"scenes": 0}), tmp_path / "run")
    check_added(result.weights, model, tmp_path / "run")


@pytest.mark.parametrize("model", sorted(PARAMETERS))
def test_new_networks_have_the_published_size(model: str) -> None:
    info = weights.networks()[model]
    module = info.build.partition(":")[0]
    with torch.device("meta"):
        network = load_object(f"{module}:create")(model)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[model]


def test_fine_tuning_starts_from_the_weights_given(tmp_path: Path) -> None:
    """At a rate of next to nothing they stay what they were; an interrupted run needs them no more."""
    first = train("ifrnet-s", config("ifrnet-s", 1, validation={"scenes": 0}), tmp_path / "first")
    gently = config("ifrnet-s", 2, optimizer={"rate": 1e-9, "floor": 0.0}, validation={"scenes": 0})
    with pytest.raises(ConfigError, match=r"the table \[model\] must be left out with --weights"):
        train("ifrnet-s", gently, tmp_path / "second", weights=[str(first.weights)])
    gently = parse_config({"model": {}, **{k: v for k, v in as_dict(gently).items() if k != "model"}})
    stopped = train("ifrnet-s", gently, tmp_path / "second", weights=[str(first.weights)], stop_minutes=0)
    assert stopped.step == 1
    first.weights.unlink()
    assert train("ifrnet-s", gently, tmp_path / "second").finished
    for name, value in checkpoint(tmp_path / "second")["network"].items():
        torch.testing.assert_close(value, checkpoint(tmp_path / "first")["average"][name], atol=1e-3, rtol=1e-3)


def test_fine_tuning_from_the_weights_that_ship(tmp_path: Path) -> None:
    """Which have no name of their own."""
    run = config("jnmr", 1, optimizer={"rate": 1e-9, "floor": 0.0}, validation={"scenes": 0})
    run = parse_config({**as_dict(run), "model": {}})
    train("jnmr", run, tmp_path, weights=["default"])
    shipped = weights.load(weights.networks()["jnmr"]).state_dict()
    trained = checkpoint(tmp_path)["network"]
    assert all(torch.allclose(value, trained[name], atol=1e-6) for name, value in shipped.items())


def test_frozen_parameters_keep_their_values(tmp_path: Path) -> None:
    run = config("figan", 2, optimizer={"freeze": ["^coarse"]}, validation={"scenes": 0})
    train("figan", run, tmp_path, stop_minutes=0)
    before = checkpoint(tmp_path)["network"]
    train("figan", run, tmp_path)
    after = checkpoint(tmp_path)["network"]
    assert all(torch.equal(before[name], after[name]) == name.startswith("coarse.") for name in after)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    first = train("ifrnet-s", config("ifrnet-s", 1, validation={"scenes": 0}), tmp_path / "first")
    run = parse_config({**as_dict(config("mind", 1)), "model": {}})
    with pytest.raises(weights.WeightsError, match="these are not weights of mind; they look like ifrnet-s"):
        train("mind", run, tmp_path / "second", weights=[str(first.weights)])
