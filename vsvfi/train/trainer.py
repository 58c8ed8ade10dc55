"""The training loop: reproducible from configuration and seed, resumable to the bit, safe to interrupt."""

from __future__ import annotations

import copy
import json
import logging
import math
import random
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.models import registry
from vsvfi.models.info import NetworkInfo, load_object
from vsvfi.models.recipe import Batch, MakeRecipe, Output, Recipe
from vsvfi.models.weights import load, networks, trained_names
from vsvfi.train.adversary import Adversary
from vsvfi.train.checkpoint import CheckpointError, export_weights, load_checkpoint, save_checkpoint
from vsvfi.train.config import Config, ConfigError, as_dict
from vsvfi.train.data import Needs, Samples, batches, footage_windows, stack
from vsvfi.train.losses import VGGFeatures, charbonnier, smoothness

__all__ = ["Result", "learning_rate", "train"]

log = logging.getLogger("vsvfi.train")

CHECKPOINT = "last.ckpt"


@dataclass(frozen=True)
class Result:
    """How a run ended: the steps made, whether it was interrupted, the last validation, the weights file."""

    step: int
    finished: bool
    validation: Mapping[str, float]
    weights: Path


def learning_rate(config: Config, step: int) -> float:
    """The learning rate of a step (counted from 0)."""
    o = config.optimizer
    if step < o.warmup:
        return o.rate * (step + 1) / o.warmup
    if o.schedule == "halving":
        return max(o.floor, o.rate * 0.5 ** (step // o.halve_every))
    progress = (step - o.warmup) / max(1, config.run.steps - o.warmup)
    return o.floor + (o.rate - o.floor) * 0.5 * (1 + math.cos(math.pi * progress))


def find_trainable(model: str) -> NetworkInfo:
    """The model of that name, if it has a recipe.

    Raises:
        ConfigError: it cannot be trained; the message lists those that can.
        UnknownModelError: there is none of that name.
    """
    known = networks()
    info = known.get(model) or registry.find(model)
    if not info.recipe:
        able = ", ".join(sorted(name for name, other in known.items() if other.recipe))
        raise ConfigError(f"{model!r} cannot be trained; models that can: {able}")
    return info


def load_recipe(info: NetworkInfo, config: Config, network: nn.Module | None = None) -> Recipe:
    """How a model is trained, around ``network`` or a new one.

    Raises:
        ConfigError: not as ``config`` says.
    """
    make: MakeRecipe = load_object(info.recipe)
    recipe = make(info, config.model, network)
    crop = config.data.crop
    if crop % recipe.multiple or crop < recipe.minimum:
        least = f" and at least {recipe.minimum}" if recipe.minimum > recipe.multiple else ""
        raise ConfigError(f"data.crop must be a multiple of {recipe.multiple}{least} for {info.name}, got {crop}")
    if config.data.any_timestep and not recipe.any_timestep:
        raise ConfigError(f"{info.name} reaches the midpoint only: set data.any_timestep = false")
    return recipe


def _given_network(info: NetworkInfo, weights: Sequence[str], checkpoint: Mapping[str, Any] | None) -> nn.Module | None:
    """The network that is trained further, None for a new one. A checkpoint knows what its run started from."""
    if weights:
        return load(info, () if list(weights) == ["default"] else weights)
    if checkpoint is None or not checkpoint["fine_tuned"]:
        return None
    network: nn.Module = load_object(info.build)({name: tuple(v.shape) for name, v in checkpoint["network"].items()})
    return network


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"run.device is {name!r} but there is no usable CUDA device")
    return device


def _optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    o = config.optimizer
    kind: type[torch.optim.Adamax | torch.optim.AdamW] = torch.optim.Adamax if o.name == "adamax" else torch.optim.AdamW
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return kind(parameters, lr=o.rate, betas=(0.9, 0.999), weight_decay=o.weight_decay)


def _like(target: Tensor, stage: Tensor) -> Tensor:
    """The target at the size of an earlier stage's frame."""
    return target if target.shape == stage.shape else F.interpolate(target, stage.shape[-2:], mode="area")


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - third-party code may draw from it
    torch.manual_seed(seed)


class _Stop:
    """Set by the first interrupt or termination signal; the loop ends after the step at hand."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    try:
        old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # signals belong to the main thread
        old = {}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class _Scalars:
    """Numbers over time: always as lines of JSON, and for TensorBoard where it is installed."""

    def __init__(self, folder: Path) -> None:
        self.file = (folder / "log.jsonl").open("a")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.board: Any = None
        else:
            self.board = SummaryWriter(str(folder / "tensorboard"))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self.file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        self.file.flush()
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        self.file.close()
        if self.board is not None:
            self.board.close()


class _Trainer:
    def __init__(self, model: str, config: Config, folder: Path, network: nn.Module | None) -> None:
        self.model, self.config, self.folder = model, config, folder
        self.device = _device(config.run.device)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.backends.cudnn.benchmark = False
        _seed(config.run.seed)
        self.info = find_trainable(model)
        self.recipe = load_recipe(self.info, config, network)
        self.network = self.recipe.network.to(self.device).train().requires_grad_(True)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not any(re.search(pattern, name) for pattern in config.optimizer.freeze))
        self.fine_tuned = network is not None
        self.needs = Needs(self.recipe.window, self.recipe.measure)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = _optimizer(config, self.network)
        self.vgg = VGGFeatures.load(Path(config.loss.vgg_weights)).to(self.device) if config.loss.vgg_weights else None
        self.adversary = Adversary(config.optimizer.rate, self.device) if config.loss.adversarial else None
        self.step = 0
        self.best = -math.inf
        self.checkpoint = folder / CHECKPOINT
        self.validation: dict[str, float] = {}

    def resume(self, path: Path, content: Mapping[str, Any]) -> None:
        if content["choices"] != dict(self.recipe.choices):
            raise CheckpointError(f"{path} is of a network with other [model] settings: {content['choices']}")
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        if self.adversary is not None:
            if "adversary" not in content:
                raise CheckpointError(f"{path} is of a run without an adversary; set loss.adversarial = 0 to go on")
            self.adversary.load_state_dict(content["adversary"])
        self.step, self.best = content["step"], content["best"]

    def save(self) -> None:
        content = {
            "model": self.model,
            "config": as_dict(self.config),
            "choices": dict(self.recipe.choices),
            "fine_tuned": self.fine_tuned,
            "step": self.step,
            "best": self.best,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **({"adversary": self.adversary.state_dict()} if self.adversary is not None else {}),
        }
        save_checkpoint(self.checkpoint, content)

    def loss(self, output: Output, target: Tensor) -> dict[str, Tensor]:
        weights = self.config.loss
        parts = {"charbonnier": weights.charbonnier * charbonnier(output.frame, target, relative=weights.relative)}
        if weights.reconstruction and output.stages:
            stages = [charbonnier(stage, _like(target, stage), relative=weights.relative) for stage in output.stages]
            shares = output.shares or [1 / len(stages)] * len(stages)
            total = torch.stack([share * stage for share, stage in zip(shares, stages, strict=True)]).sum()
            parts["reconstruction"] = weights.reconstruction * total
        if weights.smoothness and output.offsets:
            parts["smoothness"] = weights.smoothness * smoothness(output.offsets)
        if self.vgg is not None and weights.vgg:
            parts["vgg"] = weights.vgg * self.vgg(output.frame, target)
        if self.adversary is not None:
            parts["adversarial"] = weights.adversarial * self.adversary.loss(output.frame)
        return {**parts, **output.losses}

    def train_step(self, run: Any, batch: Batch) -> dict[str, float]:
        config = self.config
        rate = learning_rate(config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        bf16 = config.run.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            output = self.recipe.run(run, batch)
        parts = self.loss(output, batch.target)
        total = torch.stack(list(parts.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.optimizer.clip or math.inf)
        values = {"loss": total.item(), "gradient": norm.item(), "rate": rate}
        if math.isfinite(values["loss"]) and math.isfinite(values["gradient"]):
            self.optimizer.step()
        else:
            log.warning("step %d: loss or gradient is not finite; the step is skipped", self.step)
        if self.adversary is not None and math.isfinite(values["loss"]):
            values["discriminator"] = self.adversary.learn(output.frame, batch.target)
        self.step += 1
        decay = min(config.optimizer.ema, self.step / (self.step + 9))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for averaged, current in pairs:
                averaged.lerp_(current, 1 - decay)
        return values | {name: value.item() for name, value in parts.items()}

    @torch.inference_mode()
    def psnr(self, sample: Batch) -> float:
        """Of one sample, of the averaged weights, at 8 bits as the papers measure."""
        batch = Batch(*(value[None] for value in sample)).to(self.device)
        frame = self.recipe.run(self.average, batch).frame.clamp(0, 1)
        error = ((frame * 255).round() - (batch.target * 255).round()).square().mean().item()
        return 10 * math.log10(255**2 / max(error, 1e-10))

    def validate(self, scenes: Samples, real: Mapping[str, list[Batch]]) -> dict[str, float]:
        count = self.config.validation.scenes
        values = {}
        if count:
            values["scenes"] = float(np.mean([self.psnr(scenes[i]) for i in range(count)]))
        for name, samples in real.items():
            values[name] = float(np.mean([self.psnr(sample) for sample in samples]))
        return {f"validation/{name}": value for name, value in values.items()}

    def export(self, name: str) -> Path:
        path = self.folder / name
        facts = {"model": self.model, "step": str(self.step), "validation": json.dumps(self.validation)}
        export_weights(path, trained_names(self.info, self.average.state_dict()), half=True, metadata=facts)
        return path


def _real_samples(config: Config, recipe: Recipe, needs: Needs, cache: Path) -> dict[str, list[Batch]]:
    real: dict[str, list[Batch]] = {}
    for name in config.validation.footage:
        samples = []
        for window in footage_windows(Path(name), needs, cache, config.validation.windows):
            height, width = (extent // recipe.multiple * recipe.multiple for extent in window.pictures.shape[1:3])
            pictures = window.pictures[:, :height, :width].astype(np.float32)
            pictures /= 255
            samples.append(stack(pictures, window.timestep, needs))
        real[Path(name).stem] = samples
    return real


def train(
    model: str,
    config: Config,
    folder: Path,
    *,
    weights: Sequence[str] = (),
    resume: Path | None = None,
    stop_minutes: float = math.inf,
    cache: Path | None = None,
) -> Result:
    """Train a model, or go on where the run in ``folder`` stopped.

    Args:
        model: the name of a model, or of a network, with a recipe.
        config: the whole run.
        folder: for checkpoints, weights and logs; made if missing.
        weights: what to start from, in place of an untrained network: names of added weights, paths of files, or
            ``"default"`` for what the filter would use.
        resume: a checkpoint to go on from; by default the folder's last one, if there is one.
        stop_minutes: save and stop after so many minutes.
        cache: for decoded footage; by default in ``folder``.

    Returns:
        how it ended. The averaged weights lie in ``folder``: ``best.safetensors``, ``last.safetensors``.

    Raises:
        ConfigError: the configuration asks for what is not there.
        FootageError: footage cannot be decoded.
        CheckpointError: a checkpoint cannot be written, or is not this run's.
    """
    begin = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    cache = cache or folder / "footage"
    info = find_trainable(model)
    earlier = resume or folder / CHECKPOINT
    content = load_checkpoint(earlier, model) if resume is not None or earlier.is_file() else None
    trainer = _Trainer(model, config, folder, _given_network(info, weights, content))
    if content is not None:
        trainer.resume(earlier, content)
    samples = Samples(config, trainer.needs, cache)
    held_out = Samples(config, trainer.needs, cache, held_out=True)
    real = _real_samples(config, trainer.recipe, trainer.needs, cache)
    run: Any = torch.compile(trainer.network) if config.run.compile else trainer.network
    scalars = _Scalars(folder)
    saved = time.monotonic()
    try:
        with _stopping() as stop:
            if trainer.step == 0:
                trainer.validation = trainer.validate(held_out, real)
                scalars.write(0, trainer.validation)
            for batch in batches(samples, trainer.step, trainer.device):
                values = trainer.train_step(run, batch)
                now = time.monotonic()
                if trainer.step % config.run.log_every == 0:
                    scalars.write(trainer.step, values | {"minutes": (now - begin) / 60})
                last = trainer.step == config.run.steps
                if last or trainer.step % config.validation.every == 0:
                    trainer.validation = trainer.validate(held_out, real)
                    scalars.write(trainer.step, trainer.validation)
                    log.info("step %d: %s", trainer.step, trainer.validation)
                    score = float(np.mean(list(trainer.validation.values()) or [0.0]))
                    if score > trainer.best:
                        trainer.best = score
                        trainer.export("best.safetensors")
                late = (now - begin) / 60 > stop_minutes
                if stop.asked or late or last or (now - saved) / 60 >= config.run.save_minutes:
                    trainer.save()
                    saved = time.monotonic()
                if stop.asked or late:
                    break
    finally:
        scalars.close()
    finished = trainer.step >= config.run.steps
    return Result(trainer.step, finished, trainer.validation, trainer.export("last.safetensors"))
