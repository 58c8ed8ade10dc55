"""What a model is and does: the contract between the engine and a backend. No torch here.

A *network* is anything with published weights; a *backend* is a network (or a classic algorithm) that the
filter can drive. Both are described by frozen dataclasses that cost nothing to import; the code they stand
for is named by an import path and loaded when it is used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vsvfi.models.padding import Padding

__all__ = [
    "BackendInfo",
    "Checkpoint",
    "EstimatorInfo",
    "Layout",
    "NetworkInfo",
    "Options",
    "PlaneBackend",
    "PlaneFrame",
    "Shapes",
    "load_object",
]

type Shapes = Mapping[str, tuple[int, ...]]
"""Names and shapes of a state dict."""


def load_object(path: str) -> Any:
    """The object that an import path ``package.module:attribute`` names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A published weights file: where its authors put it, never where we would copy it.

    ``name`` distinguishes checkpoints of one model (``"l1"``, ``"lf"``); the first of a model is its default.
    ``part`` is what the file holds where a model's weights come in several (see `Layout`). ``url`` is the page on which
    it is published, ``sources`` are addresses that send the file itself, tried in order.
    """

    name: str
    file: str
    url: str
    license: str
    sha256: str | None = None
    part: str = ""
    sources: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """The addresses that send the file: ``sources``, and ``url`` where that is the file itself."""
        own = (self.url,) if self.url.rpartition("/")[2] == self.file else ()
        return tuple(dict.fromkeys((*self.sources, *own)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a published checkpoint of a network is recognised by its content and mapped to our names.

    A file has this layout when its tensors (after unwrapping, see `vsvfi.models.weights`) include all of ``has_all``,
    at least one of ``has_any`` (when given), none of ``has_none``, and have the ``shapes`` listed, where ``-1``
    stands for any size. ``rename`` lists regular-expression substitutions applied in order to every published
    name; names that match ``ignore`` are dropped (buffers that the reference saved but never uses).
    ``part`` names what a file holds when a checkpoint comes in several files; ``prefix`` is put before the
    part's names in the complete state dict. ``complete`` marks a file that holds all parts at once.
    """

    has_all: tuple[str, ...]
    has_any: tuple[str, ...] = ()
    has_none: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()
    part: str = ""
    prefix: str = ""
    complete: bool = False

    def matches(self, shapes: Shapes) -> bool:
        """Whether a file with tensors of these names and shapes has this layout."""
        return (
            all(name in shapes for name in self.has_all)
            and (not self.has_any or any(name in shapes for name in self.has_any))
            and not any(name in shapes for name in self.has_none)
            and all(
                name in shapes
                and len(shapes[name]) == len(shape)
                and all(want in (-1, got) for want, got in zip(shape, shapes[name], strict=True))
                for name, shape in self.shapes
            )
        )

    def our_name(self, published: str) -> str | None:
        """The name of a published tensor in our network, or None when it is not used."""
        if any(re.search(pattern, published) for pattern in self.ignore):
            return None
        for pattern, replacement in self.rename:
            published = re.sub(pattern, replacement, published)
        return self.prefix + published


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInfo:
    """A network with published weights.

    ``build`` is the import path of a function ``build(shapes: Shapes) -> torch.nn.Module`` that reads the
    hyperparameters off the shapes (in our names) of the state dict that is about to be loaded.
    ``parts`` are the parts a complete set of weights needs when it comes in several files (see `Layout`).
    ``title`` and ``arxiv`` are those of the paper: ``"2304.09790"``.
    ``weights_of`` names the model whose weights this one runs with, where it has none of its own.
    ``recipe`` is the import path of a function that says how ``vsvfi train`` trains it (see `vsvfi.models.recipe`).
    """

    name: str
    summary: str
    build: str = ""
    title: str = ""
    arxiv: str = ""
    code_license: str = "MIT"
    weights_license: str = ""
    commercial_use: bool = True
    checkpoints: tuple[Checkpoint, ...] = ()
    layouts: tuple[Layout, ...] = ()
    parts: tuple[str, ...] = ("",)
    weights_of: str = ""
    recipe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo(NetworkInfo):
    """A model that the filter can drive.

    ``backend`` is the import path of a class: a `vsvfi.backends.base.TorchBackend`, or, with ``planes``, a
    `PlaneBackend`. ``kind`` is the function that runs it: Interpolate, or Enhance, which asks `source_frame` for every
    frame, restored. ``window`` gives the source frames it needs as offsets from the frame before the new one.
    ``multiple`` and ``minimum`` are in pixels; the engine pads by replication. ``spatial_scale`` is the factor
    by which frames grow. ``bundled`` is the path, inside the package that ``build`` is in, of weights that ship.
    """

    backend: str
    kind: Literal["interpolate", "enhance"] = "interpolate"
    window: tuple[int, ...] = (0, 1)
    timesteps: Literal["any", "midpoint"] = "any"
    spatial_scale: int = 1
    multiple: int = 1
    minimum: int = 1
    padding: Padding = "end"
    supports_half: bool = True
    supports_bfloat16: bool = True
    tiling: Literal["supported", "discouraged", "internal"] = "supported"
    qualities: tuple[str, ...] = ()
    supports_flow_scale: bool = False
    planes: bool = False
    bundled: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("interpolate", "enhance"):
            raise ValueError(f"model {self.name!r}: kind must be 'interpolate' or 'enhance', got {self.kind!r}")
        window = tuple(self.window)
        odd, counts = (0, "2, 4, 6 or 8") if self.kind == "interpolate" else (1, "1, 3, 5 or 7")
        if not (1 <= len(window) <= 8 and len(window) % 2 == odd and window == tuple(range(window[0], window[-1] + 1))):
            raise ValueError(f"model {self.name!r}: window must be {counts} consecutive offsets, got {window}")
        if window[(len(window) - 1) // 2] != 0:
            middle = "0, 1" if self.kind == "interpolate" else "0"
            raise ValueError(f"model {self.name!r}: the middle of window must be {middle}, got {window}")
        if self.timesteps not in ("any", "midpoint"):
            raise ValueError(f"model {self.name!r}: timesteps must be 'any' or 'midpoint', got {self.timesteps!r}")
        for name in ("spatial_scale", "multiple", "minimum"):
            if not (isinstance(value := getattr(self, name), int) and 1 <= value <= 4096):
                raise ValueError(f"model {self.name!r}: {name} must be from 1 to 4096, got {value!r}")

    @property
    def needs_weights(self) -> bool:
        """Whether the model cannot run before the user adds weights."""
        return bool(self.build) and not self.bundled


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorInfo(NetworkInfo):
    """A network that estimates one thing, at full resolution, from one or two frames.

    ``estimate`` is the import path of a function ``estimate(network, frame0, frame1)`` (``estimate(network, frame)``
    for depth). It takes RGB frames ``(N, 3, H, W)`` in [0, 1], already padded, converts them to what the network was
    trained on (BGR, 0..255, a mean subtracted), and returns the flow ``(N, 2, H, W)`` in pixels of its input, channel
    0 = x, from the first frame to the second, in fp32 (for depth: the map ``(N, 1, H, W)``). ``multiple`` and
    ``minimum`` are the sizes in pixels that it can be given; callers pad by replication, where ``padding`` says.
    """

    task: Literal["flow", "depth"]
    estimate: str
    multiple: int = 1
    minimum: int = 1
    padding: Padding = "end"

    @property
    def frames(self) -> int:
        """How many frames it takes."""
        return 2 if self.task == "flow" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user may choose for a backend; the engine has checked every value.

    ``flow_scale`` is the factor by which frames shrink before motion is estimated (1 = not at all).
    """

    quality: str = ""
    flow_scale: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class PlaneFrame:
    """A frame as VapourSynth holds it: one 2-D array a plane, read only, sharing the frame's memory.

    ``planes`` are Y, U, V or R, G, B or Y alone, with row strides of the frame's own; ``bits`` counts the bits
    that a sample of an integer format uses, 16 or 32 for floats.
    """

    planes: tuple[NDArray[Any], ...]
    family: Literal["GRAY", "RGB", "YUV"]
    bits: int
    subsampling: tuple[int, int]
    full_range: bool

    @property
    def luma_planes(self) -> tuple[NDArray[Any], ...]:
        """What luma is made of: R, G and B, or Y alone."""
        return self.planes if self.family == "RGB" else self.planes[:1]

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point."""
        return self.planes[0].dtype.kind == "f"


class PlaneBackend(Protocol):
    """A backend that works on native planes with numpy and compiled kernels, without torch.

    Called from several threads at once; what `encode` and `prepare` return is cached by the engine and must not
    be changed afterwards.
    """

    def __init__(self, info: BackendInfo, options: Options) -> None: ...

    def encode(self, frame: PlaneFrame) -> Any:
        """What depends on one frame alone."""

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[Any]) -> Any:
        """What depends on the window but not on the timestep."""

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[NDArray[np.generic]]) -> None:
        """Write the frame at ``timestep`` in (0, 1) into the writable planes ``out``."""
