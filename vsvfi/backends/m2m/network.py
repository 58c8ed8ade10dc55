"""M2M: Many-to-many Splatting for Efficient Video Frame Interpolation, CVPR 2022, arXiv 2204.03513."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsvfi.backends.m2m.flow import FlowNetwork, other
from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, conv_prelu, in_float32
from vsvfi.nets.geometry import reduced_size, resize, resize_flow, resize_to
from vsvfi.ops import backward_warp, forward_splat

__all__ = ["FLOW_HEADS", "M2M", "M2MState", "Statistics", "build", "create", "example", "statistics"]

FLOW_HEADS = (r"^flow\.decoders\.\d\.10\.", r"^refinement\.residual\.")

BRANCHES = 4
"""Flows of each pixel."""
EPSILON = 1e-7
"""Added to the weight of every splat."""
HOLE = 1e-5
"""A pixel whose weights sum to less got nothing but epsilons."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and biased variance of a frame, over all channels and pixels, ``(N, 1, 1, 1)`` each."""

    mean: Tensor
    variance: Tensor


def statistics(frame: Tensor) -> Statistics:
    """The statistics of frames ``(N, 3, H, W)``."""
    variance, mean = torch.var_mean(frame, (1, 2, 3), correction=0, keepdim=True)
    return Statistics(mean, variance)


@dataclass(frozen=True, slots=True)
class M2MState:
    """What does not depend on the time. Sides come one after the other: ``(2 N, ...)``.

    ``images`` ``(2 N, 3, H, W)`` are normalised; ``flows`` ``(2 N, 4, 2, H, W)`` lead to the other frame, in pixels;
    ``weights`` ``(2 N, 4, 1, H, W)`` say how much each counts; frames are ``images * deviation + mean``.
    """

    images: Tensor
    flows: Tensor
    weights: Tensor
    mean: Tensor
    deviation: Tensor


def _double(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv_prelu(in_channels, out_channels, stride=2), conv_prelu(out_channels, out_channels))


def _enlarge(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1), nn.PReLU(out_channels))


class LowRankAttention(nn.Module):
    """Multiplies features by a mean of outer products of their profiles over channels, rows and columns."""

    def __init__(self, channels: int, ranks: int) -> None:
        super().__init__()
        self.ranks = ranks
        self.channels = nn.Conv2d(channels, ranks * channels, 1)
        self.rows = nn.Conv2d(channels, ranks, 1)
        self.columns = nn.Conv2d(channels, ranks, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        n, channels, height, width = x.shape
        over_channels = torch.sigmoid(self.channels(x.mean((2, 3), keepdim=True))).view(n, self.ranks, channels)
        over_rows = torch.sigmoid(self.rows(x.mean(3, keepdim=True))).view(n, self.ranks, height)
        over_columns = torch.sigmoid(self.columns(x.mean(2, keepdim=True))).view(n, self.ranks, width)
        return x * torch.einsum("nrc,nrh,nrw->nchw", over_channels, over_rows, over_columns) / self.ranks


class Refinement(nn.Module):
    """Turns one flow of each side into several at full size, and says how reliable each side is.

    Args:
        width: channels at half the size; all others are in proportion.
        ranks: of the attention.
    """

    def __init__(self, width: int = 16, ranks: int = 16) -> None:
        super().__init__()
        w = [width * 2**level for level in range(5)]
        self.pyramid = nn.ModuleList(_double(before, after) for before, after in zip((3, *w), w[:4], strict=False))
        # Each level sees both sides' features of the level before, and of the image.
        self.down = nn.ModuleList(
            _double(before, after) for before, after in zip((8, 6 * w[0], 6 * w[1], 6 * w[2]), w[1:], strict=True)
        )
        self.attention = LowRankAttention(w[4], ranks)
        self.up = nn.ModuleList(
            _enlarge(before, after)
            for before, after in zip((6 * w[3], 2 * w[3], 2 * w[2], 2 * w[1]), reversed(w[:4]), strict=True)
        )
        self.residual = conv(width, 2 * BRANCHES)
        self.reliability = conv(width, 1)

    def encode(self, images: Tensor, flows: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """The features of every level before the attention, those of the image, and the flow at the coarsest.

        Args:
            images: ``(2 N, 3, H, W)``, normalised; H and W are multiples of 16.
            flows: ``(2 N, 2, H, W)`` to the other side.
        """
        x = self.down[0](torch.cat((flows, images, backward_warp(other(images), flows, border="zeros")), 1))
        skips, pyramid = [x], images
        for image_level, down in zip(self.pyramid, self.down[1:], strict=False):
            pyramid, flows = image_level(pyramid), 0.5 * resize(flows, 0.5)
            x = down(self._beside_other(x, pyramid, flows))
            skips.append(x)
        return skips, self.pyramid[-1](pyramid), 0.5 * resize(flows, 0.5)

    @staticmethod
    def _beside_other(features: Tensor, pyramid: Tensor, flows: Tensor) -> Tensor:
        own = torch.cat((features, pyramid), 1)
        return torch.cat((own, backward_warp(other(own), flows, border="zeros")), 1)

    def forward(self, images: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """The flows ``(2 N, 4, 2, H, W)`` and the reliability ``(2 N, 1, H, W)`` in [0.1, 0.9], fp32."""
        skips, pyramid, coarse = self.encode(images, flows)
        x = self.up[0](self._beside_other(self.attention(skips.pop()), pyramid, coarse))
        for up in self.up[1:]:
            x = up(torch.cat((skips.pop(), x), 1))
        residual = in_float32(self.residual, x).unflatten(1, (BRANCHES, 2))
        return flows[:, None] + residual, 0.8 * torch.sigmoid(in_float32(self.reliability, x)) + 0.1


class M2M(nn.Module):
    """The frames at any times between two frames, from one estimate of state."""

    def __init__(self, *, flow_width: int = 32, width: int = 16, ranks: int = 16) -> None:
        super().__init__()
        self.flow = FlowNetwork(flow_width)
        self.refinement = Refinement(width, ranks)
        self.alpha = nn.Parameter(torch.full((1, 1, 1, 1), 10.0))

    @staticmethod
    def normalise(
        frame0: Tensor, frame1: Tensor, of_frames: tuple[Statistics, Statistics]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Both frames ``(2 N, 3, H, W)`` less their common mean, over their deviation; and these ``(N, 1, 1, 1)``."""
        of0, of1 = of_frames
        mean = (of0.mean + of1.mean) / 2
        spread0, spread1 = of0.variance + (mean - of0.mean) ** 2, of1.variance + (mean - of1.mean) ** 2
        deviation = torch.sqrt((spread0 + spread1) / 2) + EPSILON
        return torch.cat(((frame0 - mean) / deviation, (frame1 - mean) / deviation)), mean, deviation

    def flow_levels(self, images: Tensor, flow_scale: float = 1.0) -> list[Tensor]:
        """The flows of `FlowNetwork.levels`, on images at half of ``flow_scale`` of their size."""
        size = reduced_size((images.shape[-2], images.shape[-1]), flow_scale / 2, 32)
        return self.flow.levels(resize_to(images, size))

    def prepare(
        self, frame0: Tensor, frame1: Tensor, of_frames: tuple[Statistics, Statistics], flow_scale: float = 1.0
    ) -> M2MState:
        """The motion between frames ``(N, 3, H, W)``, BGR in [0, 1]; H and W are multiples of 64.

        Args:
            frame0: the first frame.
            frame1: the second.
            of_frames: the statistics of both, of the whole frames where these are parts.
            flow_scale: the size at which motion is estimated, relative to the usual half.
        """
        images, mean, deviation = self.normalise(frame0, frame1, of_frames)
        size = images.shape[-2], images.shape[-1]
        flows, reliability = self.refinement(images, resize_flow(self.flow_levels(images, flow_scale)[-1], size))
        there = other(images)[:, None].expand(-1, BRANCHES, -1, -1, -1).flatten(0, 1)
        seen = backward_warp(there, flows.flatten(0, 1), border="zeros").unflatten(0, (-1, BRANCHES))
        difference = (images[:, None] - seen).abs().mean(2, keepdim=True)
        metric = self.alpha * (1 - reliability[:, None] * difference).clamp(min=0.001) ** 2
        return M2MState(images, flows, metric.clamp(-20, 20).exp(), mean, deviation)

    def splat(self, state: M2MState, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """The sums of colours ``(T, 3, H, W)`` and of weights ``(T, 1, H, W)`` that arrive at ``timesteps``.

        There is one for each of N pairs, or any number for one pair.
        """
        images = state.images[:, None] * state.weights
        moved = torch.cat((images, state.weights), 2)
        total: Tensor | None = None
        sides = zip(moved.chunk(2), state.flows.chunk(2), (timesteps, 1 - timesteps), strict=True)
        for side, flows, way in sides:
            way = way.view(-1, 1, 1, 1, 1)
            flows = flows * way
            side = side.expand(len(flows), -1, -1, -1, -1)
            arrived = forward_splat(side.flatten(0, 1), flows.flatten(0, 1)).unflatten(0, (-1, BRANCHES))
            arrived = arrived.sum(1) * (1 - way[:, 0])
            total = arrived if total is None else total + arrived
        assert total is not None
        return total[:, :3], total[:, 3:] + 2 * BRANCHES * EPSILON

    def synthesize(self, state: M2MState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``, not clamped; see `splat`."""
        colours, weights = self.splat(state, timesteps)
        t = timesteps.view(-1, 1, 1, 1)
        first, second = state.images.chunk(2)
        blend = (1 - t) * first + t * second
        frames = colours / weights
        # The blend is added to what a hole got, as the published weights expect.
        frames = torch.where(weights < HOLE, frames + blend, frames)
        return frames * state.deviation + state.mean

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, flow_scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` between ``(N, 3, H, W)``, BGR in [0, 1]; see `prepare`."""
        state = self.prepare(frame0, frame1, (statistics(frame0), statistics(frame1)), flow_scale)
        return self.synthesize(state, timesteps)


def build(shapes: Shapes) -> M2M:
    """The network whose state dict has these shapes; the published one when there are none."""
    return M2M(
        flow_width=shapes.get("flow.extractor.0.0.bias", (32,))[0],
        width=shapes.get("refinement.pyramid.0.0.0.bias", (16,))[0],
        ranks=shapes.get("refinement.attention.rows.bias", (16,))[0],
    )


def create(_name: str) -> M2M:
    """The untrained network at its published size."""
    return M2M()


def example(_name: str) -> M2M:
    """A very small untrained network."""
    return M2M(flow_width=4, width=4, ranks=2)
