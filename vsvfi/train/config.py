"""What a training run is: read from TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from vsvfi.models.settings import Between, ConfigError, read_table

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


type Share = Annotated[float, Between(0, 1)]
type Count = Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where samples come from. Paths are relative to the configuration file."""

    crop: Annotated[int, Between(32, 4096)] = 256
    margin: Annotated[int, Between(0, 256)] = 32
    """pixels around a crop in which optical flow is measured too, for models that are given flows"""
    workers: Annotated[int, Between(0, 256)] = 2
    scenes: Share = 1.0
    """share of samples that are generated; the rest is cut from footage"""
    textures: Annotated[int, Between(1, 100_000)] = 128
    texture_size: Annotated[int, Between(64, 4096)] = 512
    photos: str = ""
    footage: tuple[str, ...] = ()
    """videos, and folders of videos"""
    sets: tuple[str, ...] = ()
    """data sets as ``LAYOUT:FOLDER`` (see `vsvfi.train.sequences.LAYOUTS`)"""
    shuffle_channels: bool = False
    """whether the three colour channels are permuted at random"""
    strides: tuple[int, ...] = (2,)
    """frames of footage between two input frames: 2 is the septuplet protocol"""
    any_timestep: bool = True
    """draw the timestep at random, instead of the midpoint"""
    draw_on_device: bool = False
    """draw scenes on the training device, a batch at a time: for a GPU. A batch is then all scenes or all footage"""
    repeat_outer: Share = 0.1
    """share of samples whose outer frames repeat the inner ones, as at a cut"""
    noise: Share = 0.1
    """share of generated samples whose inputs are noisy"""
    compression: Share = 0.1
    """share of generated samples whose inputs show compression artefacts"""


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How weights are updated. The rate falls by ``halving`` every ``halve_every`` steps, or along a ``cosine``."""

    name: Literal["adam", "adamax", "adamw"] = "adamw"
    rate: Annotated[float, Between(1e-9, 1)] = 1e-3
    floor: Share = 1.5e-5
    schedule: Literal["halving", "cosine"] = "halving"
    halve_every: Count = 20_000
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 1.0
    """largest norm of the gradient; 0 = no limit"""
    freeze: tuple[str, ...] = ()
    """regular expressions: parameters whose names they match keep their values"""
    ema: Annotated[float, Between(0, 0.999999)] = 0.999


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Weights of the parts of the loss; 0 leaves a part out."""

    charbonnier: float = 1.0
    relative: bool = False
    """the logarithm of each sample's Charbonnier loss, as PSNR counts, so that hard samples do not dominate"""
    l1: float = 0.0
    census: float = 0.0
    laplacian: float = 0.0
    vgg: float = 0.0
    vgg_weights: str = ""
    """torchvision's VGG-16, which the user brings"""
    lpips: float = 0.0
    lpips_weights: tuple[str, ...] = ()
    """torchvision's AlexNet or VGG-16, and the linear weights of LPIPS for it, which the user brings"""
    distillation: float = 0.0
    """of the difference between the model's flows and a teacher's, in pixels"""
    teacher: str = "dis"
    """the flow estimator that teaches: any name that `vsvfi.flow` knows"""
    reconstruction: float = 0.0
    """the Charbonnier loss on the frames of earlier stages"""
    smoothness: float = 0.0
    adversarial: Share = 0.0
    """of a discriminator that is trained together with the network"""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is measured along the way, with the averaged weights."""

    every: Count = 2_000
    scenes: int = 32
    footage: tuple[str, ...] = ()
    windows: int = 16
    """at most so many windows of each footage file"""
    pictures: int = 4
    """samples that are shown as PNG and in TensorBoard"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run as a whole."""

    seed: int = 0
    steps: Count = 120_000
    batch: Annotated[int, Between(1, 65536)] = 8
    """samples a step, of all processes together"""
    device: str = "auto"
    accumulate: Annotated[int, Between(1, 65536)] = 1
    """parts that a process makes its share of a batch in, one after the other: less memory, the same gradient"""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    threads: int = 0
    """CPU threads of the trainer; 0 = all"""
    save_minutes: Annotated[float, Between(0, 10**6)] = 5.0
    log_every: Count = 20


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole training run; together with the seed it determines the result."""

    model: Mapping[str, Any] = field(default_factory=dict)
    """what the model's own recipe reads"""
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=Optimizer)
    loss: Loss = field(default_factory=Loss)
    validation: Validation = field(default_factory=Validation)
    run: Run = field(default_factory=Run)


def parse_config(content: Mapping[str, Any]) -> Config:
    """A configuration from nested tables.

    Raises:
        ConfigError: an unknown key, a value of the wrong kind or out of range.
    """
    config = read_table(Config, content)
    if config.data.scenes < 1 and not config.data.footage and not config.data.sets:
        raise ConfigError("data.footage must list videos, or data.sets data sets, when data.scenes is below 1")
    if not config.data.strides or min(config.data.strides) < 2:
        raise ConfigError(f"data.strides must be 2 or more, got {list(config.data.strides)}")
    if not config.data.any_timestep and any(stride % 2 for stride in config.data.strides):
        raise ConfigError(f"data.strides must be even when data.any_timestep is false, got {list(config.data.strides)}")
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
        config.data,
        photos=at(config.data.photos),
        footage=tuple(at(name) for name in config.data.footage),
        sets=tuple(f"{layout}:{at(root)}" for layout, _, root in (name.partition(":") for name in config.data.sets)),
    )
    validation = dataclasses.replace(config.validation, footage=tuple(at(name) for name in config.validation.footage))
    loss = dataclasses.replace(
        config.loss,
        vgg_weights=at(config.loss.vgg_weights),
        lpips_weights=tuple(at(name) for name in config.loss.lpips_weights),
    )
    return dataclasses.replace(config, data=data, validation=validation, loss=loss)


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration as nested tables, as a checkpoint stores it."""
    return dataclasses.asdict(config)
