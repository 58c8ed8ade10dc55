"""The baseline that JNMR's authors published: AdaCoF motions of four frames, an occlusion map, a GridNet."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.backends.jnmr.blocks import HEADS, PUBLISHED_CHANNELS, GridNet, Head, Trunk
from vsvfi.models.info import Shapes
from vsvfi.ops import adacof

__all__ = ["Baseline", "BaselinePrediction", "build", "create", "example"]

KERNEL_SIZE = 11
DILATION = 2
MEAN = (0.4631, 0.4352, 0.3990)
FRAMES = 4


class BaselinePrediction(NamedTuple):
    """The frame ``(N, 3, H, W)``, its two maps ``(N, 1, H, W)``, the four warped frames ``(N, 12, H, W)``, and the
    mean over the taps of weighted offsets ``(N, 8, H, W)`` that the published loss keeps smooth.
    """

    frame: Tensor
    occlusion: Tensor
    blend: Tensor
    warped: Tensor
    offsets: Tensor


class Baseline(nn.Module):
    """The published baseline; frames are of a size that is a multiple of 32."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.trunk = Trunk(inputs=3 * FRAMES, channels=PUBLISHED_CHANNELS, regression_driven=False)
        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    [
                        Head(
                            inputs=self.trunk.outputs,
                            hidden=hidden,
                            outputs=KERNEL_SIZE**2 if len(widths) == FRAMES else 1,
                        )
                        for hidden in widths
                    ]
                )
                for name, widths in HEADS.items()
            }
        )
        self.synthesis = GridNet(inputs=3 * FRAMES)

    def forward(self, frames: Tensor) -> BaselinePrediction:
        """The frame midway between the second and the third of ``frames`` ``(N, 4, 3, H, W)``."""
        features, _, _ = self.trunk((frames - self.mean).flatten(1, 2))
        occlusion = self._head("occlusion", 0, features).sigmoid()
        blend = self._head("blend", 0, features).sigmoid()
        reach = (KERNEL_SIZE - 1) * DILATION // 2
        warped, offsets = [], []
        for i in range(FRAMES):
            weight = self._head("weight", i, features).softmax(1)
            alpha, beta = self._head("alpha", i, features), self._head("beta", i, features)
            padded = F.pad(frames[:, i].float(), (reach, reach, reach, reach), mode="replicate")
            warped.append(adacof(padded, weight, alpha, beta, dilation=DILATION))
            offsets += [(weight * alpha).mean(1), (weight * beta).mean(1)]
        # Each side is a sum of two whole frames, about twice as bright as a frame: the weights were trained so.
        both = occlusion * (warped[0] + warped[1]) + (1 - occlusion) * (warped[2] + warped[3])
        together = torch.cat(warped, 1)
        frame = blend * self.synthesis(together).float() + (1 - blend) * both
        return BaselinePrediction(frame, occlusion, blend, together, torch.stack(offsets, 1))

    def _head(self, name: str, index: int, features: Tensor) -> Tensor:
        heads = self.heads[name]
        assert isinstance(heads, nn.ModuleList)
        output: Tensor = heads[index](features, upsample=True)
        return output.float()


def create(_name: str) -> nn.Module:
    """The published network, untrained."""
    return Baseline()


def example(name: str) -> nn.Module:
    """An untrained network, for tests."""
    del name
    return Baseline()


def build(shapes: Shapes) -> nn.Module:
    """The network; it comes in one size."""
    del shapes
    return Baseline()
