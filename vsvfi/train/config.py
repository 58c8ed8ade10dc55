"""What a training run is: read from TOML, every key known, every value checked."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vsvfi.backends.jnmr.network import Hyperparameters
from vsvfi.errors import VsvfiError

__all__ = [
    "Config",
    "ConfigError",
    "Data",
    "Loss",
    "Optimizer",
    "Run",
    "Validation",
    "as_dict",
    "load_config",
    "parse_config",
]


class ConfigError(VsvfiError):
    """A configuration that does not say something that can be done."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where samples come from. ``photos`` and ``footage`` are relative to the configuration file."""

    crop: int = 256
    margin: int = 32
    """pixels around a crop in which optical flow is measured too (primed networks)"""
    workers: int = 2
    scenes: float = 1.0
    """share of samples that are generated; the rest is cut from footage"""
    textures: int = 128
    texture_size: int = 512
    photos: str = ""
    footage: tuple[str, ...] = ()
    strides: tuple[int, ...] = (2,)
    """frames of footage between two input frames: 2 is the septuplet protocol"""
    any_timestep: bool = True
    """draw the timestep at random, instead of the midpoint"""
    draw_on_device: bool = False
    """draw scenes on the training device, a batch at a time: for a GPU. A batch is then all scenes or all footage"""
    repeat_outer: float = 0.1
    """share of samples whose outer frames repeat the inner ones, as at a cut"""
    noise: float = 0.1
    """share of generated samples whose inputs are noisy"""
    compression: float = 0.1
    """share of generated samples whose inputs show compression artefacts"""


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How weights move. ``halving`` halves the rate every ``halve_every`` steps; ``cosine`` falls to the floor."""

    name: Literal["adamax", "adamw"] = "adamax"
    rate: float = 1e-3
    floor: float = 1.5e-5
    schedule: Literal["halving", "cosine"] = "halving"
    halve_every: int = 20_000
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 1.0
    """largest norm of the gradient; 0 = no limit"""
    ema: float = 0.999


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Weights of the parts of the loss, equation 24 of the paper."""

    charbonnier: float = 1.0
    reconstruction: float = 0.0
    """the same, on average, on the frames of earlier stages"""
    relative: bool = False
    """the logarithm of each sample's Charbonnier loss, as PSNR counts, so that hard samples do not drown the others"""
    smoothness: float = 0.01
    vgg: float = 0.005
    vgg_weights: str = ""
    """the user's VGG-16 weights (torchvision layout); without them the VGG part is left out"""
    adversarial: float = 0.0
    """what a discriminator that learns beside the network thinks of its frames"""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is measured along the way, with the averaged weights."""

    every: int = 2_000
    scenes: int = 32
    footage: tuple[str, ...] = ()
    windows: int = 16
    """at most so many windows of each footage file"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run as a whole."""

    seed: int = 0
    steps: int = 120_000
    batch: int = 8
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    threads: int = 0
    """CPU threads of the trainer; 0 = all"""
    save_minutes: float = 5.0
    log_every: int = 20


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole training run; together with the seed it determines the result."""

    model: Hyperparameters = field(default_factory=Hyperparameters)
    """JNMR's; the other models have no choices"""
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=Optimizer)
    loss: Loss = field(default_factory=Loss)
    validation: Validation = field(default_factory=Validation)
    run: Run = field(default_factory=Run)


_LIMITS: Mapping[str, tuple[float, float]] = {
    "model.kernel_size": (1, 31),
    "model.channels": (8, 256),
    "model.synthesis_channels": (8, 256),
    "data.crop": (32, 4096),
    "data.margin": (0, 256),
    "data.workers": (0, 256),
    "data.scenes": (0, 1),
    "data.textures": (1, 100_000),
    "data.texture_size": (64, 4096),
    "data.repeat_outer": (0, 1),
    "data.noise": (0, 1),
    "data.compression": (0, 1),
    "optimizer.rate": (1e-9, 1),
    "optimizer.floor": (0, 1),
    "optimizer.halve_every": (1, 10**9),
    "optimizer.ema": (0, 0.999999),
    "loss.adversarial": (0, 1),
    "run.steps": (1, 10**9),
    "run.batch": (1, 65536),
    "run.save_minutes": (0, 10**6),
    "run.log_every": (1, 10**9),
    "validation.every": (1, 10**9),
}


def _convert(value: Any, kind: Any, name: str) -> Any:
    origin = typing.get_origin(kind)
    if origin is Literal:
        allowed = typing.get_args(kind)
        if value in allowed:
            return value
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_convert(item, typing.get_args(kind)[0], name) for item in value)
        raise ConfigError(f"{name} must be a list, got {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} must be a {kind.__name__}, got {value!r}")
    if name in _LIMITS and not _LIMITS[name][0] <= value <= _LIMITS[name][1]:
        raise ConfigError(f"{name} must be between {_LIMITS[name][0]:g} and {_LIMITS[name][1]:g}, got {value!r}")
    return value


def _fill(kind: type, content: Mapping[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = [item.name for item in dataclasses.fields(kind)]
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {prefix}{close[0]}?" if close else f"; known are {', '.join(known)}"
            raise ConfigError(f"unknown key {name}{hint}")
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name} must be a table, got {value!r}")
            values[key] = _fill(typing.cast(type, hints[key]), value, f"{name}.")
        else:
            values[key] = _convert(value, hints[key], name)
    return kind(**values)


def parse_config(content: Mapping[str, Any]) -> Config:
    """A configuration from nested tables.

    Raises:
        ConfigError: an unknown key, a value of the wrong kind or out of range.
    """
    config: Config = _fill(Config, content, "")
    if config.model.kernel_size % 2 == 0:
        raise ConfigError(f"model.kernel_size must be odd, got {config.model.kernel_size}")
    if config.data.crop % 32:
        raise ConfigError(f"data.crop must be a multiple of 32, got {config.data.crop}")
    if config.data.scenes < 1 and not config.data.footage:
        raise ConfigError("data.footage must list videos when data.scenes is below 1")
    if not config.data.strides or min(config.data.strides) < 2:
        raise ConfigError(f"data.strides must be 2 or more, got {list(config.data.strides)}")
    if not config.data.any_timestep and any(stride % 2 for stride in config.data.strides):
        raise ConfigError(f"data.strides must be even when data.any_timestep is false, got {list(config.data.strides)}")
    if config.data.draw_on_device and config.model.primed:
        raise ConfigError("data.draw_on_device must be false when model.primed is: flow is measured on the CPU")
    if not config.model.timestep and config.data.any_timestep:
        raise ConfigError("data.any_timestep must be false when model.timestep is")
    return config


def load_config(path: Path) -> Config:
    """Read a configuration file; paths in it are taken relative to it.

    Raises:
        ConfigError: the file is missing or not TOML, or says something wrong.
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration {path}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    try:
        return _located(parse_config(content), path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _located(config: Config, folder: Path) -> Config:
    def at(name: str) -> str:
        return str(folder / name) if name else ""

    data = dataclasses.replace(
        config.data, photos=at(config.data.photos), footage=tuple(at(name) for name in config.data.footage)
    )
    validation = dataclasses.replace(config.validation, footage=tuple(at(name) for name in config.validation.footage))
    loss = dataclasses.replace(config.loss, vgg_weights=at(config.loss.vgg_weights))
    return dataclasses.replace(config, data=data, validation=validation, loss=loss)


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration as nested tables, as a checkpoint stores it."""
    return dataclasses.asdict(config)
