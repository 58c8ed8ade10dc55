"""GMFlow with one refinement: Learning Optical Flow via Global Matching, CVPR 2022, arXiv 2111.13680."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.gmflow.backbone import Backbone
from vsvfi.nets.gmflow.transformer import Transformer
from vsvfi.nets.raft.update import convex_upsample
from vsvfi.ops import backward_warp, correlation

__all__ = ["FrameFeatures", "GMFlow", "build", "estimate"]

RADIUS = 4
"""How far the refinement looks, in pixels at 1/4 of the size."""
WINDOWS = (2, 8)
"""Windows of attention a side, at 1/8 and at 1/4 of the size."""
SCORES = 2**25
"""How many scores are held at once where all positions are compared with all: 128 MB in fp32."""


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What the backbone makes of one frame: ``(N, C, H/8, W/8)`` and ``(N, C, H/4, W/4)``, fp32."""

    eighth: Tensor
    quarter: Tensor


def _weighted_mean(query: Tensor, key: Tensor, values: Tensor) -> Tensor:
    """For every position of ``query`` the mean of ``values`` over all positions, weighted by how well ``key`` fits.

    Args:
        query: ``(N, C, H, W)``.
        key: ``(N, C, H, W)``.
        values: ``(N, 2, H, W)``, or ``(1, 2, H, W)`` for all.

    Returns:
        ``(N, 2, H, W)``.
    """
    n, channels, height, width = query.shape
    queries, keys = query.flatten(2).transpose(1, 2) * channels**-0.5, key.flatten(2)
    places = values.flatten(2).transpose(1, 2).expand(n, -1, -1)
    rows = max(1, SCORES // (n * height * width))
    means = [torch.softmax(part @ keys, -1) @ places for part in queries.split(rows, 1)]
    return torch.cat(means, 1).transpose(1, 2).reshape(n, 2, height, width)


class Propagation(nn.Module):
    """Carries the flow to where features are alike: over the whole map, or over 3x3 neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)

    def forward(self, features: Tensor, flow: Tensor, *, everywhere: bool) -> Tensor:
        """The flow ``(N, 2, H, W)``, averaged with weights from ``features`` ``(N, C, H, W)``."""
        tokens = features.permute(0, 2, 3, 1)
        query = self.q_proj(tokens)
        # Over the whole map the key is projected from the query, not from the features: trained weights expect it.
        key = self.k_proj(query if everywhere else tokens)
        query, key = (x.permute(0, 3, 1, 2).contiguous() for x in (query, key))
        if everywhere:
            return _weighted_mean(query, key, flow)
        n, channels, height, width = query.shape
        # Neighbours beyond the border take part, with a score and a flow of 0.
        weights = torch.softmax(correlation(query, key, radius=1) * channels**0.5, 1)
        neighbours = functional.unfold(flow, 3, padding=1).view(n, 2, 9, height, width)
        return (weights[:, None] * neighbours).sum(2)


class GMFlow(nn.Module):
    """Optical flow by comparing all positions at 1/8 of the size, then neighbours at 1/4.

    It runs in fp32 under autocast, too: small differences of features decide which position fits best.
    """

    def __init__(self, channels: int = 128, layers: int = 6) -> None:
        super().__init__()
        self.backbone = Backbone(channels)
        self.transformer = Transformer(channels, layers)
        self.feature_flow_attn = Propagation(channels)
        self.upsampler = nn.Sequential(conv(2 + channels, 2 * channels), nn.ReLU(), conv(2 * channels, 9 * 4 * 4, 1))

    def encode(self, frame: Tensor) -> FrameFeatures:
        """The features of RGB frames ``(N, 3, H, W)`` in [0, 1]; H and W are multiples of 32."""
        normalised = torch.stack(
            [(frame[:, 0] - 0.485) / 0.229, (frame[:, 1] - 0.456) / 0.224, (frame[:, 2] - 0.406) / 0.225], 1
        )
        with torch.autocast(frame.device.type, enabled=False):
            eighth, quarter = self.backbone(normalised.float())
        return FrameFeatures(eighth, quarter)

    def flow(self, first: FrameFeatures, second: FrameFeatures) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels from ``first`` to ``second``."""
        with torch.autocast(first.eighth.device.type, enabled=False):
            matched0, matched1 = self.transformer(first.eighth, second.eighth, WINDOWS[0])
            return self._from_coarse(matched0, matched1, first.quarter, second.quarter)

    def flows(self, first: FrameFeatures, second: FrameFeatures) -> tuple[Tensor, Tensor]:
        """The flows from ``first`` to ``second`` and back: `flow` both ways, with the coarse features made once."""
        with torch.autocast(first.eighth.device.type, enabled=False):
            ahead, back = self.transformer(first.eighth, second.eighth, WINDOWS[0])
            both = self._from_coarse(
                torch.cat((ahead, back)),
                torch.cat((back, ahead)),
                torch.cat((first.quarter, second.quarter)),
                torch.cat((second.quarter, first.quarter)),
            )
        flow01, flow10 = both.chunk(2)
        return flow01, flow10

    def match_globally(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, h, w)`` in cells between feature maps ``(N, C, h, w)``, each position on its own."""
        grid = pixel_grid(first.shape[-2], first.shape[-1], first.device)
        return _weighted_mean(first, second, grid) - grid

    def match_locally(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, h, w)``, within `RADIUS`, between feature maps ``(N, C, h, w)``."""
        _, channels, height, width = first.shape
        steps = torch.arange(-RADIUS, RADIUS + 1, device=first.device)
        y, x = (torch.arange(size, device=first.device) + steps[:, None] for size in (height, width))
        inside = ((y >= 0) & (y < height))[:, None, :, None] & ((x >= 0) & (x < width))[None, :, None, :]
        scores = correlation(first, second, radius=RADIUS) * channels**0.5
        weights = torch.softmax(scores.masked_fill(~inside.flatten(0, 1), -1e9), 1).unflatten(1, (len(steps), -1))
        shifts = steps.to(weights).view(1, -1, 1, 1)
        return torch.stack(((weights.sum(1) * shifts).sum(1), (weights.sum(2) * shifts).sum(1)), 1)

    def refine(self, first: Tensor, second: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """The flow ``(N, 2, h, w)`` of 1/8 of the size at 1/4, before propagation, and the features of the first."""
        flow = 2 * functional.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
        warped = backward_warp(second, flow, border="zeros")
        first, second = self.transformer(first, warped, WINDOWS[1])
        return flow + self.match_locally(first, second), first

    def _from_coarse(self, matched0: Tensor, matched1: Tensor, quarter0: Tensor, quarter1: Tensor) -> Tensor:
        flow = self.feature_flow_attn(matched0, self.match_globally(matched0, matched1), everywhere=True)
        flow, features = self.refine(quarter0, quarter1, flow)
        flow = self.feature_flow_attn(features, flow, everywhere=False)
        return convex_upsample(flow, self.upsampler(torch.cat((flow, features), 1)), 4)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels between RGB frames ``(N, 3, H, W)`` in [0, 1]."""
        return self.flow(self.encode(first), self.encode(second))


def build(shapes: Shapes) -> GMFlow:
    """The network whose state dict has these shapes."""
    layers = {name.split(".")[2] for name in shapes if name.startswith("transformer.layers.")}
    return GMFlow(shapes["feature_flow_attn.q_proj.bias"][0], len(layers))


def estimate(network: nn.Module, frame0: Tensor, frame1: Tensor) -> Tensor:
    """The flow from ``frame0`` to ``frame1``, see `vsvfi.models.info.EstimatorInfo`."""
    flow: Tensor = network(frame0, frame1)
    return flow
