"""What the versions of RIFE 4 differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Architecture", "Head"]


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
    """A network of RIFE 4 that one or more versions share; the defaults are those of 4.6.

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
