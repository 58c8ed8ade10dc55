"""Losses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.train.config import ConfigError

__all__ = ["VGGFeatures", "charbonnier", "smoothness"]

EPSILON = 1e-3


def charbonnier(prediction: Tensor, target: Tensor, *, relative: bool = False) -> Tensor:
    """Mean of sqrt(difference ** 2 + 0.001 ** 2), or, ``relative``, the mean over the samples of its logarithm."""
    distance = torch.sqrt((prediction - target).square() + EPSILON**2)
    return distance.flatten(1).mean(1).log().mean() if relative else distance.mean()


def smoothness(offsets: tuple[Tensor, ...]) -> Tensor:
    """Mean absolute difference of offsets ``(..., H, W)`` between neighbours, summed over the maps given (L_d)."""
    total = offsets[0].new_zeros(())
    for maps in offsets:
        total = total + maps.diff(dim=-1).abs().mean() + maps.diff(dim=-2).abs().mean()
    return total


class VGGFeatures(nn.Module):
    """VGG-16 up to conv4_3, from the user's weights in torchvision's layout."""

    mean: Tensor
    deviation: Tensor

    _CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in self._CHANNELS:
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        # The features are those before the last activation.
        self.features = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, path: Path) -> VGGFeatures:
        """Read torchvision's ``vgg16`` state dict.

        Raises:
            ConfigError: the file holds something else.
        """
        from vsvfi.models import weights

        try:
            state: Mapping[str, Tensor] = weights.read(path)
        except weights.WeightsError as error:
            raise ConfigError(f"loss.vgg_weights: {error}") from None
        network = cls()
        wanted = {name: state[name] for name in network.state_dict() if name in state}
        try:
            network.load_state_dict(wanted)
        except RuntimeError:
            raise ConfigError(f"loss.vgg_weights: {path} holds no VGG-16 weights in torchvision's layout") from None
        return network.eval().requires_grad_(False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean squared difference of the features of two frames ``(N, 3, H, W)`` in [0, 1]."""
        first, second = (self.features((frame - self.mean) / self.deviation) for frame in (prediction, target))
        return F.mse_loss(first, second)
