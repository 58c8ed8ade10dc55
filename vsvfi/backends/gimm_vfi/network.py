"""GIMM-VFI (NeurIPS 2024, arXiv 2407.08680): implicit motion modelling, then synthesis in the manner of AMT."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import FrozenBatchNorm2d, conv, conv_prelu
from vsvfi.nets.flowformer.network import FlowFormer
from vsvfi.nets.geometry import pixel_grid, reduced_size, resize, resize_flow, resize_to
from vsvfi.nets.gimm.network import EndpointMotion, ImplicitMotion
from vsvfi.nets.ifr import SideResBlock
from vsvfi.nets.multifield import LEVELS, BidirectionalCorrelation, FieldBlend, UpdateBlock, warped_fields
from vsvfi.nets.raft.network import RAFT, FrameFeatures
from vsvfi.nets.tiles import Tile, by_tiles, receptive_radius
from vsvfi.ops import backward_warp

__all__ = ["FLOW_HEADS", "GIMMVFI", "Frame", "GIMMVFIState", "NewFrames", "build", "create", "example"]

FLOW_HEADS = (
    r"flow_head\.(conv)?2\.",
    r"^(init|final)_decoder\.convblock\.4\.",
    r"^blend\.2\.",
)
"""The layers that make flows and residuals."""

FIELDS = 3
TILE_PIXELS = 2**20
"""How many pixels the final decoder decodes at once: about 6 GB in fp32 at the published width."""
LEAST = 64
"""The smallest side of which the coarsest correlations are still a pixel wide."""
RADIUS = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in [-1, 1], ``(B, 3, H, W)``, and reduced to ``(B, 3, h, w)``, with features of the latter."""

    image: Tensor
    reduced: Tensor
    features: FrameFeatures


@dataclass(frozen=True, slots=True)
class GIMMVFIState:
    """What B pairs of frames have in common at every timestep.

    ``frames`` and ``reduced`` are in [-1, 1]; everything but ``frames`` is of the reduced size, on which the motion
    is estimated: ``upsampled`` are features of each frame, at 1/4 of that size and at that size.
    """

    frames: tuple[Tensor, Tensor]
    reduced: tuple[Tensor, Tensor]
    motion: EndpointMotion
    correlation: BidirectionalCorrelation
    upsampled: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class NewFrames:
    """The frames at T timesteps, ``(T, 3, H, W)`` in [0, 1], and the motion that led to them.

    ``motion`` ``(T, 2, h, w)`` is the flow over the whole interval, ``quarter`` ``(T, 2, h/4, w/4)`` the refined
    flows to frame 0 and to frame 1.
    """

    frames: Tensor
    motion: Tensor
    quarter: tuple[Tensor, Tensor]


def _upsample(doublings: int, in_channels: int, width: int) -> nn.Sequential:
    """Features at 2 ** ``doublings`` times their size, with ``2 * width`` channels."""
    return nn.Sequential(
        *(nn.PixelShuffle(2) for _ in range(doublings)),
        conv_prelu(in_channels // 4**doublings, width, 5),
        *(conv_prelu(width, width) for _ in range(3)),
        conv_prelu(width, 2 * width),
        nn.Conv2d(2 * width, 2 * width, 1),
        FrozenBatchNorm2d(2 * width),
        nn.ReLU(),
    )


class InitDecoder(nn.Module):
    """Refines both flows and makes the feature of the new frame, at 1/4 of the size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = 2 * width
        self.upsample = _upsample(1, 4 * width, width)
        self.convblock = nn.Sequential(
            conv_prelu(2 * channels + 2 * 2 + 4 * 3, channels, 1),
            *(SideResBlock(channels, width) for _ in range(3)),
            conv(channels, 2 + 2 + 1 + channels),
        )

    def forward(
        self, features: tuple[Tensor, Tensor], frames: tuple[Tensor, Tensor], flows: tuple[Tensor, Tensor]
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """The refined flows, the logit of the mask, and the feature of the new frame.

        Args:
            features: of both frames, ``(T, C, h, w)``.
            frames: ``(T, 3, h, w)``.
            flows: from the new frame to both, ``(T, 2, h, w)``.
        """
        warped = [backward_warp(x, flow) for x, flow in zip(features, flows, strict=True)]
        images = [backward_warp(x, flow) for x, flow in zip(frames, flows, strict=True)]
        out = self.convblock(torch.cat((*warped, *flows, *frames, *images), 1))
        more0, more1, logit, feature = torch.split(out, [2, 2, 1, out.shape[1] - 5], 1)
        return (flows[0] + more0.float(), flows[1] + more1.float()), logit.float(), feature


class FinalDecoder(nn.Module):
    """Turns one pair of flows into several, with masks and residuals, at full size.

    By far the widest layers at the largest size: they run tile by tile, which gives exactly what the
    whole would.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upsample = _upsample(2, 2 * width, width // 2)
        self.convblock = nn.Sequential(
            conv_prelu(2 * width + 2 * width + 2 * 2 + 1 + 4 * 3, 4 * width),
            *(SideResBlock(4 * width, width) for _ in range(3)),
            conv(4 * width, FIELDS * (2 + 2 + 1 + 3)),
        )

    def forward(
        self,
        feature: Tensor,
        features: tuple[Tensor, Tensor],
        frames: tuple[Tensor, Tensor],
        flows: tuple[Tensor, Tensor],
        logit: Tensor,
        tile_size: tuple[int, int] | None = None,
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """The flows ``(T, 2 * K, H, W)``, the mask ``(T, K, H, W)`` and the residual ``(T, 3 * K, H, W)``, fp32.

        Args:
            feature: of the new frame, ``(T, 2 * C, H, W)``.
            features: of both frames, ``(T, C, H, W)``.
            frames: ``(T, 3, H, W)``.
            flows: from the new frame to both, ``(T, 2, H, W)``.
            logit: of the mask, ``(T, 1, H, W)``.
            tile_size: the height and width of what is decoded at once; by default rows of the whole width.
        """
        count, _, height, width = feature.shape
        margin = receptive_radius(self.convblock)
        decoded = by_tiles(
            partial(self._decode, feature, features, frames, flows, logit),
            (height, width),
            tile_size=tile_size or (max(2 * margin, TILE_PIXELS // (count * width)), width),
            margin=margin,
        )
        more0, more1, more, residual = torch.split(decoded, [FIELDS * n for n in (2, 2, 1, 3)], 1)
        fields = (flows[0].repeat(1, FIELDS, 1, 1) + more0, flows[1].repeat(1, FIELDS, 1, 1) + more1)
        return fields, torch.sigmoid(logit + more), residual

    def _decode(
        self,
        feature: Tensor,
        features: tuple[Tensor, Tensor],
        frames: tuple[Tensor, Tensor],
        flows: tuple[Tensor, Tensor],
        logit: Tensor,
        tile: Tile,
    ) -> Tensor:
        """What the convolutions make of a tile, in fp32."""
        here = [tile.of(flow) for flow in flows]
        origin = flows[0].new_tensor((tile.left, tile.top)).view(1, 2, 1, 1)
        warped = [backward_warp(x, flow + origin) for x, flow in zip(features, here, strict=True)]
        images = [backward_warp(x, flow + origin) for x, flow in zip(frames, here, strict=True)]
        given = [tile.of(x) for x in frames]
        joined = torch.cat((tile.of(feature), *warped, *here, tile.of(logit), *given, *images), 1)
        out: Tensor = self.convblock(joined)
        return out.float()


class GIMMVFI(nn.Module):
    """The frame at any time between two frames.

    Args:
        estimator: estimates the flows between the frames, and makes the frames' features on the way.
        width: channels of the features warped at full size; all others are in proportion.
    """

    def __init__(self, estimator: Literal["raft", "flowformer"], *, width: int = 64) -> None:
        super().__init__()
        self.flow_estimator: RAFT | FlowFormer
        if estimator == "raft":
            self.flow_estimator = RAFT(width=width)
            self.matching_projection: nn.Module = nn.Conv2d(4 * width, 4 * width, 1)
            self.eighth_projection: nn.Module = nn.Conv2d(2 * width, 4 * width, 1)
            self.quarter_projection: nn.Module = nn.Conv2d(3 * width // 2, 2 * width, 1)
        else:
            self.flow_estimator = FlowFormer(width=2 * width)
            self.matching_projection = self.eighth_projection = self.quarter_projection = nn.Identity()
        self.motion = ImplicitMotion(width=width // 4)
        self.init_decoder = InitDecoder(width)
        self.final_decoder = FinalDecoder(width)
        self.update_low, self.update_high = (
            UpdateBlock(
                correlation=(2 * LEVELS * (2 * RADIUS + 1) ** 2, 4 * width, 3 * width),
                flow=(2 * width, width),
                joint=3 * width - 4,
                hidden=3 * width,
                feature=2 * width,
                scale=scale,
            )
            for scale in (2, 1)
        )
        self.blend = FieldBlend(FIELDS, 7)

    def encode(self, frame: Tensor, scale: float = 1.0) -> Frame:
        """A frame ``(N, 3, H, W)`` in [0, 1] with its features, at about ``scale`` times its size."""
        reduced = resize_to(frame, reduced_size((frame.shape[-2], frame.shape[-1]), scale, 8, LEAST))
        return Frame(2 * frame - 1, 2 * reduced - 1, self.flow_estimator.encode(reduced))

    def prepare(self, first: Frame, second: Frame) -> GIMMVFIState:
        """What does not depend on the time: flows, motion latents, correlations, upsampled features."""
        features = (first.features, second.features)
        motion = self.motion.encode(
            self.flow_estimator.flow(*features)[0], self.flow_estimator.flow(*reversed(features))[0]
        )
        correlation = BidirectionalCorrelation.of(*(self.matching_projection(x.matching) for x in features))
        upsampled = [
            (
                self.init_decoder.upsample(self.eighth_projection(x.eighth)),
                self.final_decoder.upsample(self.quarter_projection(x.quarter)),
            )
            for x in features
        ]
        return GIMMVFIState(
            (first.image, second.image),
            (first.reduced, second.reduced),
            motion,
            correlation,
            (upsampled[0], upsampled[1]),
        )

    def synthesize(self, state: GIMMVFIState, timesteps: Tensor) -> NewFrames:
        """The frames at ``timesteps`` ``(T,)`` in (0, 1): one for each of B pairs, or any number for one pair."""
        return self.render(state, timesteps, self.motion(state.motion, timesteps)[1])

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` between ``(B, 3, H, W)`` in [0, 1]; H, W multiples of 32, or 8 / ``scale``."""
        state = self.prepare(self.encode(frame0, scale), self.encode(frame1, scale))
        return self.synthesize(state, timesteps).frames

    def render(
        self, state: GIMMVFIState, timesteps: Tensor, motion: Tensor, tile_size: tuple[int, int] | None = None
    ) -> NewFrames:
        """The frames at ``timesteps`` from the motion ``(T, 2, h, w)`` that `ImplicitMotion` predicted for them.

        ``tile_size`` is the height and width of what the final decoder decodes at once; smaller tiles take less
        memory and more time, and give the same.
        """
        count = len(timesteps)
        t = timesteps.view(-1, 1, 1, 1)
        frames, reduced = (_expand(both, count) for both in (state.frames, state.reduced))
        features0, features1 = (_expand(both, count) for both in state.upsampled)
        size = (motion.shape[-2], motion.shape[-1])
        coarse = (size[0] // 4, size[1] // 4)

        flows = (resize_flow(-t * motion, coarse), resize_flow((1 - t) * motion, coarse))
        small = (resize_to(reduced[0], coarse), resize_to(reduced[1], coarse))
        flows, logit, feature = self.init_decoder((features0[0], features1[0]), small, flows)

        correlation, eighth = self._lookup(state.correlation, flows, t)
        more, more_flow = self.update_low(feature, eighth, correlation)
        feature, flows = feature + more, (flows[0] + more_flow[:, :2], flows[1] + more_flow[:, 2:])
        more, more_flow = self.update_high(feature, torch.cat(flows, 1), resize(correlation, 2))
        feature, flows = feature + more, (flows[0] + more_flow[:, :2], flows[1] + more_flow[:, 2:])

        fields, mask, residual = self.final_decoder(
            resize(feature, 4),
            (features0[1], features1[1]),
            reduced,
            (resize_flow(flows[0], size), resize_flow(flows[1], size)),
            resize(logit, 4),
            tile_size,
        )
        full = (frames[0].shape[-2], frames[0].shape[-1])
        fields = (resize_flow(fields[0], full), resize_flow(fields[1], full))
        mask, residual = resize_to(mask, full), resize_to(residual, full)
        result = self.blend(list(warped_fields(frames, fields, mask, residual))).float()
        return NewFrames(((result + 1) / 2).clamp(0, 1), motion, flows)

    @staticmethod
    def _lookup(
        correlation: BidirectionalCorrelation, flows: tuple[Tensor, Tensor], t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The correlations along the motion through the new frame, and the flows, at 1/8 of the size."""
        h, w = flows[0].shape[-2] // 2, flows[0].shape[-1] // 2
        flow0, flow1 = (resize_flow(flow, (h, w)) for flow in flows)
        grid = pixel_grid(h, w, t.device)
        found = correlation.lookup(grid + flow1 / (1 - t), grid + flow0 / t, radius=RADIUS)
        return torch.cat(found, 1), torch.cat((flow0, flow1), 1)


def _expand(both: tuple[Tensor, Tensor], count: int) -> tuple[Tensor, Tensor]:
    return both[0].expand(count, -1, -1, -1), both[1].expand(count, -1, -1, -1)


def build(shapes: Shapes) -> GIMMVFI:
    """The network whose state dict has these shapes: on RAFT, or on FlowFormer."""
    estimator: Literal["raft", "flowformer"] = "raft" if "matching_projection.weight" in shapes else "flowformer"
    return GIMMVFI(estimator, width=shapes["init_decoder.upsample.1.0.weight"][0])


def create(name: str) -> GIMMVFI:
    """The untrained network of the model called ``name``, at its published size."""
    return GIMMVFI("raft" if name == "gimm-vfi-r" else "flowformer")


def example(name: str) -> GIMMVFI:
    """A very small untrained network in the manner of the model called ``name``."""
    return GIMMVFI("raft" if name == "gimm-vfi-r" else "flowformer", width=8)
