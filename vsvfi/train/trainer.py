"""The training loop: reproducible from configuration and seed, resumable to the bit, safe to interrupt."""

from __future__ import annotations

import copy
import json
import logging
import math
import random
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from vsvfi.errors import VsvfiError
from vsvfi.models.info import NetworkInfo
from vsvfi.models.recipe import Batch, Output, Recipe
from vsvfi.models.weights import trained_names
from vsvfi.train.adversary import Adversary
from vsvfi.train.checkpoint import CheckpointError, export_weights, load_checkpoint, save_checkpoint
from vsvfi.train.config import Config, ConfigError, as_dict
from vsvfi.train.data import Needs, Samples, batches, footage_files, footage_windows, stack
from vsvfi.train.distributed import World, joined
from vsvfi.train.interrupts import Stop, stopping
from vsvfi.train.journal import Journal, psnr, sheet, ssim
from vsvfi.train.losses import Losses
from vsvfi.train.start import differences, find_trainable, given_network, load_recipe, torch_device

__all__ = ["Result", "TrainingError", "learning_rate", "train"]

log = logging.getLogger("vsvfi.train")

CHECKPOINT = "last.ckpt"
RETRY_SECONDS = 30
"""How long a finished run waits for space on the disk before it tries to save again."""


class TrainingError(VsvfiError):
    """A run that cannot continue."""


@dataclass(frozen=True)
class Result:
    """How a run ended: the steps made, whether all were, the last validation, the weights file."""

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


def _optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    o = config.optimizer
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamax": torch.optim.Adamax, "adamw": torch.optim.AdamW}
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise ConfigError(f"optimizer.freeze leaves no parameter to train: {list(o.freeze)}")
    optimizer: torch.optim.Optimizer = kinds[o.name](
        parameters, lr=o.rate, betas=(0.9, 0.999), weight_decay=o.weight_decay
    )
    return optimizer


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


class _Step(nn.Module):
    """The recipe as one module from a batch to its output: what is distributed and compiled."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.network = recipe.network
        self.run = recipe.run

    def forward(self, *batch: Tensor) -> Output:
        return self.run(self.network, Batch(*batch))


class _Trainer:
    def __init__(
        self, info: NetworkInfo, config: Config, folder: Path, network: nn.Module | None, world: World | None = None
    ) -> None:
        self.info, self.config, self.folder, self.world = info, config, folder, world or World()
        self.device = torch_device(config.run.device, self.world.local)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.backends.cudnn.benchmark = False
        _seed(config.run.seed)
        self.fine_tuned = network is not None
        self.recipe = load_recipe(info, config, network)
        self.network = self.recipe.network.to(self.device).train().requires_grad_(True)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not any(re.search(pattern, name) for pattern in config.optimizer.freeze))
        self.needs = Needs(self.recipe.window, self.recipe.measure)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = _optimizer(config, self.network)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.run.precision == "fp16")
        self.losses = Losses(config.loss).to(self.device)
        self.adversary = Adversary(config.optimizer.rate, self.device) if config.loss.adversarial else None
        step = _Step(self.recipe)
        compiled: Any = torch.compile(step) if config.run.compile else step
        self.spread: Any = self.world.spread(compiled)
        self.step = 0
        self.best = -math.inf
        self.checkpoint = folder / CHECKPOINT
        self.validation: dict[str, float] = {}

    def resume(self, path: Path, content: Mapping[str, Any], allow: bool) -> None:
        """Continue where a checkpoint was written."""
        if content["choices"] != dict(self.recipe.choices):
            raise CheckpointError(f"{path} is of a network with other [model] settings: {content['choices']}")
        changed = differences(content["config"], as_dict(self.config))
        if changed and not allow:
            raise CheckpointError(
                f"{path} was written under other settings: {'; '.join(changed)}; continue anyway with --allow"
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        try:
            self.optimizer.load_state_dict(content["optimizer"])
        except (ValueError, KeyError):
            if not allow:
                raise
            log.warning("the optimizer starts from an empty state: the saved one does not fit")
        self.scaler.load_state_dict(content["scaler"])
        if self.adversary is not None:
            if "adversary" not in content:
                raise CheckpointError(f"{path} is of a run without an adversary; set loss.adversarial = 0 to continue")
            self.adversary.load_state_dict(content["adversary"])
        self.step, self.best = content["step"], content["best"]

    def save(self) -> None:
        """Write the checkpoint: everything that a run needs to continue."""
        content = {
            "model": self.info.name,
            "config": as_dict(self.config),
            "choices": dict(self.recipe.choices),
            "fine_tuned": self.fine_tuned,
            "step": self.step,
            "best": self.best,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            **({"adversary": self.adversary.state_dict()} if self.adversary is not None else {}),
        }
        save_checkpoint(self.checkpoint, content)

    def train_step(self, parts: Sequence[Batch]) -> dict[str, float]:
        """One step on this process's share of a batch, made in parts; returns what the journal notes."""
        rate = learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for number, batch in enumerate(parts):
            last = number == len(parts) - 1
            # Gradients are exchanged once a step.
            quiet = nullcontext() if last or self.world.size == 1 else self.spread.no_sync()
            with quiet:
                output, losses = self._losses(batch)
                total = torch.stack(list(losses.values())).sum()
                self._check(total, output, number, len(batch.target))
                self.scaler.scale(total / len(parts)).backward()
            for name, value in {"loss": total, **losses}.items():
                values[name] = values.get(name, 0.0) + value.item() / len(parts)
            if self.adversary is not None:
                loss = self.adversary.learn(output.frame, batch.target, self.world)
                values["discriminator"] = values.get("discriminator", 0.0) + loss / len(parts)
        values |= {"gradient": self._update(), "rate": rate}
        self.step += 1
        self._follow()
        return values

    def _losses(self, batch: Batch) -> tuple[Output, dict[str, Tensor]]:
        kind = {"fp16": torch.float16}.get(self.config.run.precision, torch.bfloat16)
        with torch.autocast(self.device.type, dtype=kind, enabled=self.config.run.precision != "fp32"):
            output: Output = self.spread(*batch)
        losses = self.losses(output, batch)
        if self.adversary is not None:
            losses["adversarial"] = self.config.loss.adversarial * self.adversary.loss(output.frame)
        return output, losses

    def _check(self, total: Tensor, output: Output, part: int, count: int) -> None:
        """Stop at a loss that is no number, before it reaches the weights."""
        if bool(total.isfinite()):
            return
        share = self.config.run.batch // self.world.size
        first = self.step * self.config.run.batch + self.world.rank * share + part * count
        broken = [first + i for i, frame in enumerate(output.frame) if not bool(frame.isfinite().all())]
        which = f"sample {broken[0]}" if broken else f"samples {first} to {first + count - 1}"
        raise TrainingError(
            f"the loss is not finite at step {self.step + 1}, {which}; the last checkpoint is untouched: "
            "continue with a lower optimizer.rate or run.precision = 'fp32', and --allow"
        )

    def _update(self) -> float:
        """Update the weights; returns the gradient's norm."""
        self.scaler.unscale_(self.optimizer)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.config.optimizer.clip or math.inf).item()
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise TrainingError(
                f"the gradient is not finite at step {self.step + 1}; the last checkpoint is untouched: "
                "continue with a lower optimizer.rate, and --allow"
            )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norm

    @torch.no_grad()
    def _follow(self) -> None:
        """Update the averaged network from the trained one, statistics of batch normalisation included."""
        decay = min(self.config.optimizer.ema, self.step / (self.step + 9))
        current = self.network.state_dict()
        for name, averaged in self.average.state_dict().items():
            if averaged.is_floating_point():
                averaged.lerp_(current[name], 1 - decay)
            else:
                averaged.copy_(current[name])

    @torch.no_grad()
    def predict(self, sample: Batch) -> tuple[Tensor, Batch]:
        """The averaged network's frame for one sample, and the sample as a batch of one."""
        batch = Batch(*(value[None] for value in sample)).to(self.device)
        return self.recipe.run(self.average, batch).frame.float(), batch

    def validate(self, scenes: Samples, real: Mapping[str, list[Batch]]) -> tuple[dict[str, float], list[list[Tensor]]]:
        """PSNR (dB) and SSIM on samples that were held out, and rows of pictures: before, made, true, after."""
        sources: dict[str, list[Batch]] = {"scenes": [scenes[i] for i in range(self.config.validation.scenes)]}
        values: dict[str, float] = {}
        rows: list[list[Tensor]] = []
        for name, samples in {**sources, **real}.items():
            figures = []
            for number, sample in enumerate(samples):
                frame, batch = self.predict(sample)
                figures.append((psnr(frame, batch.target), ssim(frame, batch.target)))
                if number < self.config.validation.pictures:
                    middle = batch.frames.shape[1] // 2
                    before, after = batch.frames[0, middle - 1], batch.frames[0, middle]
                    rows.append([before, frame[0], batch.target[0], after])
            if figures:
                values[f"validation/{name}"], values[f"ssim/{name}"] = map(float, np.mean(figures, 0))
        return values, rows

    def export(self, name: str) -> Path:
        """Write the averaged weights."""
        path = self.folder / name
        facts = {"model": self.info.name, "step": str(self.step), "validation": json.dumps(self.validation)}
        export_weights(path, trained_names(self.info, self.average.state_dict()), half=True, metadata=facts)
        return path


def _real_samples(config: Config, recipe: Recipe, needs: Needs, cache: Path) -> dict[str, list[Batch]]:
    real: dict[str, list[Batch]] = {}
    for path in footage_files(config.validation.footage):
        samples = []
        for window in footage_windows(path, needs, cache, config.validation.windows):
            height, width = (extent // recipe.multiple * recipe.multiple for extent in window.pictures.shape[1:3])
            pictures = window.pictures[:, :height, :width].astype(np.float32)
            pictures /= 255
            samples.append(stack(pictures, window.timestep, needs))
        real[path.stem] = samples
    return real


class _Run:
    """A run of a trainer: steps, with validation, checkpoints and the journal."""

    def __init__(self, trainer: _Trainer, cache: Path, stop_minutes: float) -> None:
        self.begin = self.saved = time.monotonic()
        self.trainer, self.stop_minutes = trainer, stop_minutes
        config, needs = trainer.config, trainer.needs
        self.samples = Samples(config, needs, cache)
        self.held_out = Samples(config, needs, cache, held_out=True)
        self.real = _real_samples(config, trainer.recipe, needs, cache)
        self.journal = Journal(trainer.folder, trainer.step) if trainer.world.leads else None

    def loop(self, stop: Stop) -> None:
        """Make the steps that are left, until all are made or the run is to stop."""
        trainer, run = self.trainer, self.trainer.config.run
        if trainer.step == 0:
            self._validate()
        for parts in batches(self.samples, trainer.step, trainer.device, trainer.world):
            values = trainer.train_step(parts)
            now = time.monotonic()
            if self.journal is not None and trainer.step % run.log_every == 0:
                self.journal.write(trainer.step, values | {"minutes": (now - self.begin) / 60})
            last = trainer.step == run.steps
            if last or trainer.step % trainer.config.validation.every == 0:
                self._validate()
            over = last or trainer.world.any(stop.asked or (now - self.begin) / 60 > self.stop_minutes)
            if over:
                self._save_at_last(stop)
                return
            if (now - self.saved) / 60 >= run.save_minutes:
                self._save()

    def _validate(self) -> None:
        trainer = self.trainer
        if self.journal is None:
            return
        trainer.validation, rows = trainer.validate(self.held_out, self.real)
        if trainer.validation:
            self.journal.write(trainer.step, trainer.validation)
        if rows:
            self.journal.show(trainer.step, sheet(rows))
        if trainer.step == 0:
            return
        log.info("step %d: %s", trainer.step, {name: round(value, 4) for name, value in trainer.validation.items()})
        measured = [value for name, value in trainer.validation.items() if name.startswith("validation/")]
        score = float(np.mean(measured or [0.0]))
        if score > trainer.best:
            trainer.best = score
            trainer.export("best.safetensors")

    def _save(self) -> None:
        """Save on the way; where that fails, the run continues and tries again."""
        self.saved = time.monotonic()
        if not self.trainer.world.leads:
            return
        try:
            self.trainer.save()
        except CheckpointError as error:
            log.warning(
                "%s; the run continues and tries again in %g minutes", error, self.trainer.config.run.save_minutes
            )

    def _save_at_last(self, stop: Stop) -> None:
        """Save before the process ends; where that fails, wait for space until the user interrupts."""
        if not self.trainer.world.leads:
            return
        before = stop.count
        while True:
            try:
                self.trainer.save()
            except CheckpointError as error:
                if stop.count > before:
                    raise
                log.warning("%s; make room: trying again every %d s, Ctrl-C gives up", error, RETRY_SECONDS)
                time.sleep(RETRY_SECONDS)
            else:
                return


def train(
    model: str,
    config: Config,
    folder: Path,
    *,
    weights: Sequence[str] = (),
    resume: Path | None = None,
    allow: bool = False,
    stop_minutes: float = math.inf,
    cache: Path | None = None,
) -> Result:
    """Train a model, or continue where the run in ``folder`` stopped.

    Under ``torchrun``, every process calls this; `Config.run.batch` is that of all together.

    Args:
        model: the name of a model, or of a network, with a recipe.
        config: the whole run.
        folder: for checkpoints, weights and logs; made if missing.
        weights: what to start from, in place of an untrained network: names of added weights, paths of files, or
            ``"default"`` for what the filter would use.
        resume: a checkpoint to continue from; by default the folder's last one, if there is one.
        allow: continue although the checkpoint was written under other settings.
        stop_minutes: save and stop after so many minutes.
        cache: for decoded footage; by default in ``folder``.

    Returns:
        how it ended. The averaged weights lie in ``folder``: ``best.safetensors``, ``last.safetensors``.

    Raises:
        ConfigError: the configuration asks for what is not there.
        FootageError: footage cannot be decoded.
        CheckpointError: a checkpoint cannot be written, or is not this run's.
        TrainingError: the loss is not finite.
        WeightsError: the weights to start from are missing, or another network's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = find_trainable(model)
    earlier = resume or folder / CHECKPOINT
    content = load_checkpoint(earlier, model) if resume is not None or earlier.is_file() else None
    network = given_network(info, weights, content)
    with joined(config.run.device) as world:
        trainer = _Trainer(info, config, folder, network, world)
        if content is not None:
            trainer.resume(earlier, content, allow)
        run = _Run(trainer, cache or folder / "footage", stop_minutes)
        try:
            with stopping() as stop:
                run.loop(stop)
        finally:
            if run.journal is not None:
                run.journal.close()
        path = trainer.export("last.safetensors") if world.leads else folder / "last.safetensors"
        if world.size > 1:
            dist.barrier()
    return Result(trainer.step, trainer.step >= config.run.steps, trainer.validation, path)
