"""All-pairs multi-field transforms: the parts of AMT (CVPR 2023, arXiv 2304.09790) that GIMM-VFI builds on too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.correlation import AllPairs
from vsvfi.nets.geometry import resize
from vsvfi.ops import backward_warp

__all__ = ["BidirectionalCorrelation", "FieldBlend", "UpdateBlock", "warped_fields"]

LEVELS = 4


@dataclass(frozen=True, slots=True)
class BidirectionalCorrelation:
    """Correlations of all positions of two feature maps, as pyramids over either of them (section 3.2).

    ``forward`` belongs to the positions of frame 0 and is searched in frame 1, ``backward`` the other way round.
    """

    forward: AllPairs
    backward: AllPairs

    @classmethod
    def of(cls, features0: Tensor, features1: Tensor) -> BidirectionalCorrelation:
        """The correlation of features ``(N, C, h, w)``."""
        features0, features1 = features0.float(), features1.float()
        return cls(AllPairs.of(features0, features1, levels=LEVELS), AllPairs.of(features1, features0, levels=LEVELS))

    def lookup(self, coords0: Tensor, coords1: Tensor, *, radius: int) -> tuple[Tensor, Tensor]:
        """The correlations around ``coords0`` in frame 1 and around ``coords1`` in frame 0.

        Args:
            coords0: ``(T, 2, h, w)``, T the batch size of the features, or any where that is 1.
            coords1: the same.
            radius: half the side of the window, in pixels of every level.

        Returns:
            two tensors ``(T, 4 * (2 * radius + 1) ** 2, h, w)``, fp32.
        """
        return self.forward.lookup(coords0, radius=radius), self.backward.lookup(coords1, radius=radius)


class UpdateBlock(nn.Module):
    """Refines the feature of the new frame and both flows from looked-up correlations (section 3.3).

    Args:
        correlation: channels of the looked-up correlations, and of one or two layers on them.
        flow: channels of the two layers on the flows.
        joint: channels of what the correlations and flows are joined to.
        hidden: channels of the layers after.
        feature: channels of the refined feature.
        scale: how many times as large as the correlation the feature is.
    """

    def __init__(
        self,
        *,
        correlation: tuple[int, ...],
        flow: tuple[int, int],
        joint: int,
        hidden: int,
        feature: int,
        scale: int = 1,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.convc1 = conv(correlation[0], correlation[1], 1)
        self.convc2 = conv(correlation[1], correlation[2]) if len(correlation) > 2 else None
        self.convf1 = conv(4, flow[0], 7)
        self.convf2 = conv(flow[0], flow[1])
        self.conv = conv(correlation[-1] + flow[1], joint)
        # The name is the checkpoints': there is no recurrence.
        self.gru = self._layers(joint + 4 + feature, hidden, hidden)
        self.feat_head = self._layers(hidden, hidden, feature)
        self.flow_head = self._layers(hidden, hidden, 4)

    @staticmethod
    def _layers(in_channels: int, hidden: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(conv(in_channels, hidden), nn.LeakyReLU(0.1), conv(hidden, out_channels))

    @classmethod
    def from_shapes(cls, shapes: Shapes, prefix: str, *, scale: int = 1) -> UpdateBlock:
        """The block whose parameters have these shapes, under names that begin with ``prefix``."""
        first = shapes[f"{prefix}.convc1.weight"]
        second = shapes.get(f"{prefix}.convc2.weight")
        return cls(
            correlation=(first[1], first[0]) if second is None else (first[1], first[0], second[0]),
            flow=(shapes[f"{prefix}.convf1.weight"][0], shapes[f"{prefix}.convf2.weight"][0]),
            joint=shapes[f"{prefix}.conv.weight"][0],
            hidden=shapes[f"{prefix}.gru.0.weight"][0],
            feature=shapes[f"{prefix}.feat_head.2.weight"][0],
            scale=scale,
        )

    def forward(self, feature: Tensor, flow: Tensor, correlation: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to the feature and to the flows.

        Args:
            feature: ``(T, feature, scale * h, scale * w)``.
            flow: from the new frame to frame 0 and to frame 1, ``(T, 4, h, w)``, in pixels of its size.
            correlation: ``(T, ., h, w)``.

        Returns:
            increments of the shape of ``feature``, and ``(T, 4, scale * h, scale * w)``, in pixels of that size, fp32.
        """
        cor = functional.leaky_relu(self.convc1(correlation), 0.1)
        if self.convc2 is not None:
            cor = functional.leaky_relu(self.convc2(cor), 0.1)
        flo = functional.leaky_relu(self.convf1(flow), 0.1)
        flo = functional.leaky_relu(self.convf2(flo), 0.1)
        joint = functional.leaky_relu(self.conv(torch.cat((cor, flo), 1)), 0.1)
        hidden = self.gru(torch.cat((joint, flow, resize(feature, 1 / self.scale)), 1))
        more_flow: Tensor = self.flow_head(hidden)
        return resize(self.feat_head(hidden), self.scale), self.scale * resize(more_flow.float(), self.scale)


def warped_fields(
    frames: tuple[Tensor, Tensor], flows: tuple[Tensor, Tensor], mask: Tensor, residual: Tensor
) -> Iterator[Tensor]:
    """The new frame after every one of K pairs of flows (section 3.4).

    Args:
        frames: ``(T, 3, H, W)``.
        flows: to the two frames, ``(T, 2 * K, H, W)`` in pixels.
        mask: how much of frame 0 there is in the blend, ``(T, K, H, W)``.
        residual: what is added to the blend, ``(T, 3 * K, H, W)``.

    Yields:
        K candidates ``(T, 3, H, W)``.
    """
    for k in range(mask.shape[1]):
        warped0, warped1 = (
            backward_warp(frame, flow[:, 2 * k : 2 * k + 2]) for frame, flow in zip(frames, flows, strict=True)
        )
        part = mask[:, k : k + 1]
        yield part * warped0 + (1 - part) * warped1 + residual[:, 3 * k : 3 * k + 3]


class FieldBlend(nn.Sequential):
    """Merges the candidates of `warped_fields`: their mean and what two convolutions make of all of them."""

    def __init__(self, fields: int, kernel_size: int) -> None:
        super().__init__(
            conv(3 * fields, 6 * fields, kernel_size), nn.PReLU(6 * fields), conv(6 * fields, 3, kernel_size)
        )

    def forward(self, candidates: list[Tensor]) -> Tensor:
        """K tensors ``(T, 3, H, W)`` to one."""
        correction: Tensor = super().forward(torch.cat(candidates, 1))  # type: ignore[no-untyped-call]
        return torch.stack(candidates).mean(0) + correction
