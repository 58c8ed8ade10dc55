"""A small network: a cross-fade, and a correction that is learnt.

What a network with weights needs is all here: the network, `build`, which makes it for given weights, `example`, which
makes a small one for tests, and `FLOW_HEADS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

import torch
from torch import Tensor, nn

from vsvfi.api import Shapes, TorchBackend

__all__ = ["FLOW_HEADS", "LearnedFade", "LearnedFadeBackend", "build", "example"]

FLOW_HEADS = (r"^correction\.",)
"""The layers that add nothing where their weights are zero: a still picture must then come out as it went in."""


class LearnedFade(nn.Module):
    """Features of each frame, faded, give a correction to the faded frames.

    Args:
        width: channels of the features.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.correction = nn.Conv2d(width, 3, 3, padding=1)


def build(shapes: Shapes) -> LearnedFade:
    """The network for weights of these names and shapes; sizes are read off the shapes, so that nobody passes them."""
    return LearnedFade(width=shapes["features.0.weight"][0])


def example(name: str) -> LearnedFade:
    """A small untrained network of the model called ``name``, for tests."""
    del name  # this package has one network; a family would choose by it
    return LearnedFade(width=8)


class LearnedFadeBackend(TorchBackend):
    """Runs the network: once a frame, once a window, once for every new frame."""

    network: LearnedFade

    @override
    def encode(self, frame: Tensor) -> Tensor:
        """Features ``(1, width, H, W)`` of one frame, cached between windows."""
        features: Tensor = self.network.features(frame)
        return features

    @override
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Both frames and both features, one below the other: ``(2, 3, H, W)`` and ``(2, width, H, W)``."""
        return torch.cat(list(window)), torch.cat(list(encoded))

    @override
    def synthesize(self, state: tuple[Tensor, Tensor], timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``."""
        frames, features = state
        t = timesteps.view(-1, 1, 1, 1)
        faded = (1 - t) * features[:1] + t * features[1:]
        result: Tensor = (1 - t) * frames[:1] + t * frames[1:] + self.network.correction(faded).float()
        return result.clamp(0, 1)
