"""The versions of RIFE 4: a small table, and what it says about checkpoints.

Many versions are one network trained again, so that their checkpoints differ in numbers only: a user then has to
say which version a file is of (its published name says it too).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vsvfi.api import BackendInfo, Checkpoint, Layout

__all__ = ["ARCHITECTURES", "INFOS", "NEWEST", "Architecture", "Head", "model_name"]


@dataclass(frozen=True, slots=True)
class Head:
    """The encoder of single frames: its kind, inner width and output channels.

    ``"linear"`` is two layers without activation, ``"plain"`` four with, ``"clamped"`` the same on frames clamped
    to [0, 1] and under other names.
    """

    kind: Literal["linear", "plain", "clamped"]
    width: int
    channels: int

    @property
    def last_layer(self) -> str:
        """The published name of its last layer."""
        return {"linear": "encode.1", "plain": "encode.6", "clamped": "encode.cnn3"}[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network of RIFE 4 that one or more versions share.

    Args:
        widths: channels of the blocks, coarse to fine.
        scales: the factors by which the blocks' inputs are reduced.
        style: what a block's convolutions are: with PReLU and a skip around all, with LeakyReLU, or residual ones.
        outputs: channels of a block's result: 4 of flow, 1 of mask; of the rest, 8 are fed on where there are 13.
        groups: groups of the residual convolutions.
        head: the encoder of single frames, from 4.7 on.
    """

    widths: tuple[int, ...] = (192, 128, 96, 64)
    scales: tuple[int, ...] = (8, 4, 2, 1)
    style: Literal["prelu", "leaky", "residual"] = "residual"
    outputs: int = 6
    groups: int = 1
    head: Head | None = None

    @property
    def multiple(self) -> int:
        """What frame sizes must be multiples of: the coarsest block halves its input twice."""
        doubled = 2 if self.style == "prelu" else 1  # for large motion
        return 4 * max(self.scales) * doubled

    @property
    def fed_on(self) -> int:
        """Channels that a block gives the next one besides flow and mask."""
        return 8 if self.outputs == 13 else 0

    @property
    def ensembles(self) -> bool:
        """Whether results may be averaged with those for exchanged frames (not where features are fed on)."""
        return not self.fed_on

    def summary(self) -> str:
        """What sets it apart, in a few words."""
        words = f"fast flow in {len(self.widths)} steps"
        if self.head:
            words += ", features of single frames"
        if self.fed_on:
            words += " and between steps"
        return words

    def layout(self) -> Layout:
        """How a checkpoint of this network is recognised."""
        shapes: dict[str, tuple[int, ...]] = {
            f"block{index}.conv0.1.0.weight": (width, width // 2, 3, 3) for index, width in enumerate(self.widths)
        }
        absent = [f"block{len(self.widths)}.conv0.1.0.weight"]
        first = self.widths[0]
        if self.style == "residual":
            shapes["block0.convblock.0.conv.weight"] = (first, first // self.groups, 3, 3)
            shapes["block0.lastconv.0.weight"] = (first, 4 * self.outputs, 4, 4)
        else:
            shapes["block0.lastconv.weight"] = (first, self.outputs, 4, 4)
        if self.style == "prelu":
            shapes["block0.conv0.0.1.weight"] = (first // 2,)
        else:
            absent.append("block0.conv0.0.1.weight")
        if self.head:
            shapes[f"{self.head.last_layer}.weight"] = (self.head.width, self.head.channels, 4, 4)
        else:
            absent += ["encode.0.weight", "encode.cnn0.weight"]
        return Layout(
            has_all=(),
            has_none=tuple(absent),
            shapes=tuple(shapes.items()),
            rename=((r"^block(\d)\.", r"blocks.\1."), (r"^encode\.", "head.")),
            # Teachers and other networks of the training.
            ignore=(r"^(?!(block\d|encode)\.)",),
        )


_LITE = (128, 96, 64, 48)
_FIVE = (192, 128, 96, 64, 32)
_FIVE_SCALES = (16, 8, 4, 2, 1)

ARCHITECTURES: dict[tuple[str, ...], Architecture] = {
    ("4.0", "4.1"): Architecture(style="prelu", outputs=5),
    ("4.2", "4.3", "4.4"): Architecture(style="leaky", outputs=5),
    ("4.5",): Architecture(outputs=5),
    ("4.6",): Architecture(),
    ("4.7", "4.8", "4.9"): Architecture(head=Head("linear", 16, 4)),
    ("4.10", "4.11", "4.12"): Architecture(head=Head("plain", 32, 8)),
    ("4.12.lite", "4.13.lite"): Architecture(head=Head("plain", 32, 4), widths=_LITE),
    ("4.13", "4.14", "4.15", "4.17", "4.18", "4.19", "4.24"): Architecture(head=Head("clamped", 32, 8)),
    ("4.14.lite",): Architecture(head=Head("clamped", 32, 8), groups=2),
    ("4.15.lite", "4.16.lite", "4.17.lite"): Architecture(head=Head("clamped", 16, 4), widths=_LITE),
    ("4.20",): Architecture(head=Head("clamped", 32, 8), widths=(384, 192, 96, 48)),
    ("4.21", "4.22", "4.23"): Architecture(head=Head("clamped", 32, 8), widths=(256, 192, 96, 48), outputs=13),
    ("4.22.lite",): Architecture(head=Head("clamped", 16, 4), widths=(192, 128, 64, 32), outputs=13),
    ("4.25", "4.26"): Architecture(head=Head("clamped", 16, 4), widths=_FIVE, scales=_FIVE_SCALES, outputs=13),
    ("4.25.lite",): Architecture(
        head=Head("clamped", 16, 4), widths=(192, 128, 96, 64, 24), scales=(32, 16, 8, 4, 1), outputs=13
    ),
    ("4.25.heavy",): Architecture(
        head=Head("clamped", 16, 4), widths=(384, 256, 192, 128, 64), scales=_FIVE_SCALES, outputs=13
    ),
    ("4.26.heavy",): Architecture(head=Head("clamped", 16, 16), widths=_FIVE, scales=_FIVE_SCALES, outputs=13),
}
"""The networks, by the versions that share them."""


def model_name(version: str) -> str:
    """The name of a version's model: ``4.25.lite`` is ``rife-4.25-lite``."""
    return "rife-" + version.replace(".lite", "-lite").replace(".heavy", "-heavy")


def _info(version: str, architecture: Architecture) -> BackendInfo:
    return BackendInfo(
        name=model_name(version),
        summary=f"RIFE {version}: {architecture.summary()}",
        backend="vsvfi_rife.backend:RIFEBackend",
        build="vsvfi_rife.network:build",
        recipe=f"vsvfi.backends.recipe:{'one_by_one' if architecture.style == 'prelu' else 'recipe'}",
        title="Real-Time Intermediate Flow Estimation for Video Frame Interpolation",
        arxiv="2011.06294",
        code_license="MIT",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="published",
                file=f"flownet_v{version}.pkl",
                url="https://github.com/HolyWu/vs-rife/releases",
                sources=(f"https://github.com/HolyWu/vs-rife/releases/download/model/flownet_v{version}.pkl",),
                license="MIT",
            ),
        ),
        layouts=(architecture.layout(),),
        multiple=architecture.multiple,
        qualities=("balanced", "best") if architecture.ensembles else (),
        supports_flow_scale=True,
    )


INFOS = tuple(_info(version, architecture) for versions, architecture in ARCHITECTURES.items() for version in versions)

_NEWEST = next(info for info in INFOS if info.name == model_name("4.26"))

NEWEST = replace(_NEWEST, name="rife", summary=f"the newest: {_NEWEST.summary}", weights_of=_NEWEST.name)
"""The newest full version under the name that people try first."""
