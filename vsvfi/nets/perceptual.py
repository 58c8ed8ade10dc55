"""Distances between frames as trained networks see them: features of VGG-16, LPIPS (arXiv 1801.03924), FloLPIPS.

Their weights are the user's: torchvision's ``vgg16`` or ``alexnet`` state dict, and the linear weights of LPIPS.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.models import weights

__all__ = ["LPIPS", "VGGFeatures", "load_lpips", "load_vgg"]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Channels of VGG-16's convolutions; 0 stands for pooling."""


def _vgg_layers() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in _VGG:
        if outputs:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        else:
            layers.append(nn.MaxPool2d(2))
    return layers


def _alexnet_layers() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]


class VGGFeatures(nn.Module):
    """VGG-16 up to conv4_3, before its activation.

    Args:
        features: the layers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: nn.Module | None = None) -> None:
        super().__init__()
        self.features = features or nn.Sequential(*_vgg_layers()[:22])
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean squared difference of the features of two frames ``(N, 3, H, W)`` in [0, 1]."""
        first, second = (self.features((frame - self.mean) / self.deviation) for frame in (prediction, target))
        return F.mse_loss(first, second)


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity: 0 for equal frames, the more the less they look alike.

    Args:
        slices: parts of a network, one after the other, after each of which features are compared.
        linear: how much each channel counts, one vector for each part.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, slices: Iterable[nn.Module], linear: Iterable[Tensor]) -> None:
        super().__init__()
        self.slices = nn.ModuleList(slices)
        self.linear = nn.ParameterList(nn.Parameter(vector, requires_grad=False) for vector in linear)
        # ImageNet's statistics for frames in [-1, 1], as published.
        self.register_buffer("shift", torch.tensor((-0.030, -0.088, -0.188)).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor((0.458, 0.448, 0.450)).view(1, 3, 1, 1))

    def maps(self, prediction: Tensor, target: Tensor) -> list[Tensor]:
        """The distance ``(N, 1, h, w)`` at every place of every part's features."""
        first, second = ((2 * frame - 1 - self.shift) / self.scale for frame in (prediction, target))
        found = []
        for part, counts in zip(self.slices, self.linear, strict=True):
            first, second = part(first), part(second)
            difference = (_unit(first) - _unit(second)).square()
            found.append((difference * counts.view(1, -1, 1, 1)).sum(1, keepdim=True))
        return found

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The distance ``(N,)`` of frames ``(N, 3, H, W)`` in [0, 1].

        ``weight`` ``(N, 1, H, W)`` says how much each pixel counts: FloLPIPS takes the difference of two flows.
        """
        maps = self.maps(prediction, target)
        if weight is None:
            return torch.stack([part.mean((1, 2, 3)) for part in maps]).sum(0)
        size = weight.shape[-2:]
        share = weight / weight.sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
        whole = [F.interpolate(part, size, mode="bilinear", align_corners=False) for part in maps]
        return torch.stack([(part * share).sum((1, 2, 3)) for part in whole]).sum(0)


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _filled(network: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> None:
    wanted = {name: state[f"features.{name}"] for name in network.state_dict() if f"features.{name}" in state}
    try:
        network.load_state_dict(wanted)
    except RuntimeError:
        raise weights.WeightsError(f"{path} holds no weights of {what} in torchvision's layout") from None


def load_vgg(path: Path) -> VGGFeatures:
    """VGG-16 from torchvision's ``vgg16`` state dict.

    Raises:
        WeightsError: the file is missing or holds something else.
    """
    network = VGGFeatures()
    _filled(network.features, weights.read(path), path, "VGG-16")
    return network.eval().requires_grad_(False)


_SLICES: Mapping[Literal["alexnet", "vgg16"], tuple[int, ...]] = {
    "alexnet": (0, 2, 5, 8, 10, 12),
    "vgg16": (0, 4, 9, 16, 23, 30),
}
"""Where the compared features end, in layers of torchvision's numbering."""


def load_lpips(paths: Sequence[Path]) -> LPIPS:
    """LPIPS from two files: a network in torchvision's layout (AlexNet or VGG-16), and LPIPS's linear weights for it.

    The linear weights are named ``lin0.model.1.weight`` to ``lin4.model.1.weight``, as published.

    Raises:
        WeightsError: a file is missing, holds something else, or both do not belong together.
    """
    states = [weights.read(path) for path in paths]
    linear = next((state for state in states if "lin0.model.1.weight" in state), None)
    backbone = next(((state, path) for state, path in zip(states, paths, strict=True) if state is not linear), None)
    if linear is None or backbone is None:
        raise weights.WeightsError(
            "LPIPS needs two files: torchvision's alexnet or vgg16, and the linear weights of LPIPS for it "
            "(lin0.model.1.weight ...)"
        )
    state, path = backbone
    kind: Literal["alexnet", "vgg16"] = "vgg16" if "features.28.weight" in state else "alexnet"
    layers = nn.Sequential(*(_vgg_layers() if kind == "vgg16" else _alexnet_layers()))
    _filled(layers, state, path, "AlexNet or VGG-16")
    bounds = _SLICES[kind]
    slices = [layers[begin:end] for begin, end in itertools.pairwise(bounds)]
    vectors = [linear[f"lin{k}.model.1.weight"].float().flatten() for k in range(len(slices))]
    for part, vector in zip(slices, vectors, strict=True):
        channels = [layer.out_channels for layer in part if isinstance(layer, nn.Conv2d)][-1]
        if channels != len(vector):
            raise weights.WeightsError(f"the linear weights of LPIPS are not for {kind}")
    return LPIPS(slices, vectors).eval().requires_grad_(False)
