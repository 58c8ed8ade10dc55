"""AMT (Li et al., CVPR 2023, arXiv 2304.09790).

IFRNet's coarse-to-fine decoders, each followed by an update of flows and feature from correlations of all pairs;
the last decoder makes several pairs of flows, and their candidates are blended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.geometry import pixel_grid, reduced_size, resize, resize_flow, resize_to
from vsvfi.nets.ifr import Decoder, PyramidEncoder, mean_of
from vsvfi.nets.multifield import LEVELS, BidirectionalCorrelation, FieldBlend, UpdateBlock, warped_fields
from vsvfi.nets.raft.encoder import BottleneckBlock, Encoder, ResidualBlock
from vsvfi.ops import backward_warp

__all__ = ["AMT", "FLOW_HEADS", "AMTState", "Fields", "build", "create", "example"]

FLOW_HEADS = (r"^decoder\d\.convblock\.2\.", r"flow_head\.2\.", r"^blend\.2\.")
"""The layers that make flows and residuals."""

LEAST = 64
"""The smallest side of which the coarsest correlations are still a pixel wide."""


RADIUS = 3
"""Half the side of the window in which the published networks look correlations up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """A published size: see `AMT`; ``matching`` is the output and the widths of the matching features' encoder."""

    matching: tuple[int, tuple[int, ...]]
    widths: tuple[int, int, int, int]
    decoder: int
    fields: int
    correlation: tuple[int, ...]
    update: tuple[int, int, int]
    """channels of an update's flow, of flow and correlation together, and of its hidden layers"""


_SIZES = {
    "amt-s": _Size(
        matching=(84, (32, 64, 96)),
        widths=(20, 32, 44, 56),
        decoder=112,
        fields=3,
        correlation=(64,),
        update=(20, 68, 76),
    ),
    "amt-l": _Size(
        matching=(128, (64, 72, 128)),
        widths=(48, 64, 72, 128),
        decoder=256,
        fields=5,
        correlation=(256, 160),
        update=(48, 124, 128),
    ),
    "amt-g": _Size(
        matching=(128, (64, 112, 160, 160)),
        widths=(84, 96, 112, 128),
        decoder=256,
        fields=5,
        correlation=(256, 192),
        update=(64, 188, 192),
    ),
}


@dataclass(frozen=True, slots=True)
class AMTState:
    """What B pairs of frames have in common at every timestep.

    ``frames`` are ``(B, 3, H, W)`` less their ``mean``; correlations and ``features``, finest first, are of frames
    of the size ``(h, w)`` on which the motion is estimated.
    """

    frames: tuple[Tensor, Tensor]
    mean: Tensor
    correlation: BidirectionalCorrelation
    features: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Fields:
    """K pairs of flows to both frames ``(T, 2 * K, h, w)``, masks ``(T, K, h, w)``, residuals ``(T, 3 * K, h, w)``."""

    flows: tuple[Tensor, Tensor]
    mask: Tensor
    residual: Tensor


class AMT(nn.Module):
    """The frame at any time between two frames.

    Args:
        feat_encoder: makes the features that are correlated, at 1/8 of the size.
        widths: channels of the four levels of the other features, finest first.
        first_kernel: kernel size of their first convolution.
        side: channels that a decoder's residual block refines on their own.
        decoder_width: channels inside the coarsest decoder.
        fields: how many pairs of flows are blended.
        updates: the updates after the decoders at 1/8, 1/4 and 1/2, coarsest first.
        refinements: further updates at 1/4 and 1/2, at those sizes (AMT-G), or None.
        blend_kernel: kernel size of the blend's convolutions.
        radius: half the side of the window in which correlations are looked up.
    """

    def __init__(
        self,
        *,
        feat_encoder: Encoder,
        widths: Sequence[int],
        first_kernel: int,
        side: int,
        decoder_width: int,
        fields: int,
        updates: tuple[UpdateBlock, UpdateBlock, UpdateBlock],
        refinements: tuple[UpdateBlock, UpdateBlock] | None,
        blend_kernel: int,
        radius: int,
    ) -> None:
        super().__init__()
        self.fields_count = fields
        self.radius = radius
        w1, w2, w3, w4 = widths
        self.feat_encoder = feat_encoder
        self.encoder = PyramidEncoder(widths, first_kernel)
        self.decoder4 = Decoder(2 * w4 + 1, decoder_width, w3 + 4, side=side)
        self.decoder3 = Decoder(3 * w3 + 4, 3 * w3, w2 + 4, side=side)
        self.decoder2 = Decoder(3 * w2 + 4, 3 * w2, w1 + 4, side=side)
        self.decoder1 = Decoder(3 * w1 + 4, 3 * w1, 8 * fields, side=side)
        self.update4, self.update3, self.update2 = updates
        self.refine3: UpdateBlock | None
        self.refine2: UpdateBlock | None
        self.refine3, self.refine2 = refinements or (None, None)
        self.blend = FieldBlend(fields, blend_kernel)

    def prepare(self, frame0: Tensor, frame1: Tensor, mean: Tensor, scale: float = 1.0) -> AMTState:
        """Features and correlations of ``(B, 3, H, W)`` in [0, 1], less ``mean``, at about ``scale`` times the size."""
        frames = (frame0 - mean, frame1 - mean)
        size = reduced_size((frame0.shape[-2], frame0.shape[-1]), scale, 16, LEAST)
        reduced = [resize_to(frame, size) for frame in frames]
        correlation = BidirectionalCorrelation.of(*(self.feat_encoder(frame) for frame in reduced))
        features = [self.encoder(frame) for frame in reduced]
        return AMTState(frames, mean, correlation, (features[0], features[1]))

    def fields(self, state: AMTState, timesteps: Tensor) -> Fields:
        """The flows at ``timesteps`` ``(T,)`` in (0, 1): one for each of B pairs, or any number for one pair."""
        t = timesteps.view(-1, 1, 1, 1)
        features = [[level.expand(len(t), -1, -1, -1) for level in levels] for levels in state.features]
        coarsest = features[0][3]
        time = t.to(coarsest.dtype).expand(-1, 1, *coarsest.shape[-2:])

        out = self.decoder4(coarsest, features[1][3], time)
        flow, feature = out[:, :4].float(), out[:, 4:]
        flow, feature = self._update(state, t, flow, feature, self.update4, None)
        for level, decoder, update, refinement in (
            (2, self.decoder3, self.update3, self.refine3),
            (1, self.decoder2, self.update2, self.refine2),
        ):
            out = self._decode(decoder, features, level, flow, feature)
            flow, feature = out[:, :4].float() + 2 * resize(flow, 2), out[:, 4:]
            flow, feature = self._update(state, t, flow, feature, update, refinement)

        k = self.fields_count
        out = self._decode(self.decoder1, features, 0, flow, feature)
        more0, more1, logit, residual = torch.split(out.float(), [2 * k, 2 * k, k, 3 * k], 1)
        flow = 2 * resize(flow, 2)
        flows = (more0 + flow[:, :2].repeat(1, k, 1, 1), more1 + flow[:, 2:].repeat(1, k, 1, 1))
        return Fields(flows, torch.sigmoid(logit), residual)

    @staticmethod
    def _decode(decoder: nn.Module, features: list[list[Tensor]], level: int, flow: Tensor, feature: Tensor) -> Tensor:
        warped0 = backward_warp(features[0][level], flow[:, :2])
        warped1 = backward_warp(features[1][level], flow[:, 2:])
        return decoder(feature, warped0, warped1, flow)  # type: ignore[no-any-return]

    def _update(
        self,
        state: AMTState,
        t: Tensor,
        flow: Tensor,
        feature: Tensor,
        update: UpdateBlock,
        refinement: UpdateBlock | None,
    ) -> tuple[Tensor, Tensor]:
        """Flows ``(T, 4, h, w)`` and feature, corrected by the correlations along the motion, at 1/8 of the size."""
        h, w = flow.shape[-2] // update.scale, flow.shape[-1] // update.scale
        eighth = resize_flow(flow, (h, w))
        grid = pixel_grid(h, w, flow.device)
        # One would expect the factors the other way round; checkpoints were trained with these. At 0.5 they agree.
        found = state.correlation.lookup(grid + eighth[:, 2:] / t, grid + eighth[:, :2] / (1 - t), radius=self.radius)
        correlation = torch.cat(found, 1)
        more, more_flow = update(feature, eighth, correlation)
        flow, feature = flow + more_flow, feature + more
        if refinement is not None:
            more, more_flow = refinement(feature, flow, resize(correlation, update.scale))
            flow, feature = flow + more_flow, feature + more
        return flow, feature

    def synthesize(self, state: AMTState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` in [0, 1] at ``timesteps``, as `fields` takes them."""
        return self.render(state, self.fields(state, timesteps))

    def render(self, state: AMTState, fields: Fields) -> Tensor:
        """The frames ``(T, 3, H, W)`` in [0, 1] that the flows lead to."""
        frames = [frame.expand(len(fields.mask), -1, -1, -1) for frame in state.frames]
        size = (frames[0].shape[-2], frames[0].shape[-1])
        flows = (resize_flow(fields.flows[0], size), resize_flow(fields.flows[1], size))
        mask, residual = resize_to(fields.mask, size), resize_to(fields.residual, size) + state.mean
        candidates = list(warped_fields((frames[0], frames[1]), flows, mask, residual))
        return self.blend(candidates).float().clamp(0, 1)  # type: ignore[no-any-return]

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` ``(T,)`` between ``(B, 3, H, W)``; H and W are multiples of 16 / ``scale``."""
        mean = (mean_of(frame0) + mean_of(frame1)) / 2
        return self.synthesize(self.prepare(frame0, frame1, mean, scale), timesteps)


def build(shapes: Shapes) -> AMT:
    """The network whose state dict has these shapes."""
    bottleneck = "feat_encoder.layers.0.0.conv3.weight" in shapes
    last = "conv3" if bottleneck else "conv2"
    stages = sum(f"feat_encoder.layers.{n}.0.{last}.weight" in shapes for n in range(4))
    feat_encoder = Encoder(
        shapes["feat_encoder.conv2.weight"][0],
        widths=[shapes[f"feat_encoder.layers.{n}.0.{last}.weight"][0] for n in range(stages)],
        block=BottleneckBlock if bottleneck else ResidualBlock,
    )
    updates = [UpdateBlock.from_shapes(shapes, f"update{n}", scale=scale) for n, scale in ((4, 1), (3, 2), (2, 4))]
    refinements = None
    if "refine3.convc1.weight" in shapes:
        refinements = (UpdateBlock.from_shapes(shapes, "refine3"), UpdateBlock.from_shapes(shapes, "refine2"))
    window = shapes["update4.convc1.weight"][1] // (2 * LEVELS)
    return AMT(
        feat_encoder=feat_encoder,
        widths=[shapes[f"encoder.pyramid{n}.0.0.weight"][0] for n in (1, 2, 3, 4)],
        first_kernel=shapes["encoder.pyramid1.0.0.weight"][-1],
        side=shapes["decoder4.convblock.1.conv2.0.weight"][0],
        decoder_width=shapes["decoder4.convblock.0.0.weight"][0],
        fields=shapes["decoder1.convblock.2.weight"][1] // 8,
        updates=(updates[0], updates[1], updates[2]),
        refinements=refinements,
        blend_kernel=shapes["blend.0.weight"][-1],
        radius=(round(window**0.5) - 1) // 2,
    )


def create(name: str) -> AMT:
    """The untrained network of the model called ``name``, at its published size."""
    size = _SIZES[name]
    window = 2 * LEVELS * (2 * RADIUS + 1) ** 2
    w1, w2, w3, _ = size.widths
    flow, joint, hidden = size.update

    def update(feature: int, scale: int) -> UpdateBlock:
        return UpdateBlock(
            correlation=(window, *size.correlation),
            flow=(2 * flow, flow),
            joint=joint,
            hidden=hidden,
            feature=feature,
            scale=scale,
        )

    return AMT(
        feat_encoder=Encoder(
            size.matching[0],
            widths=size.matching[1],
            block=BottleneckBlock if name == "amt-s" else ResidualBlock,
        ),
        widths=size.widths,
        first_kernel=3 if name == "amt-s" else 7,
        side=w1,
        decoder_width=size.decoder,
        fields=size.fields,
        updates=(update(w3, 1), update(w2, 2), update(w1, 4)),
        refinements=(update(w2, 1), update(w1, 1)) if name == "amt-g" else None,
        blend_kernel=3 if name == "amt-s" else 7,
        radius=RADIUS,
    )


def example(name: str) -> AMT:
    """A very small untrained network in the manner of the model called ``name``."""
    small, large = name == "amt-s", name == "amt-g"
    widths, radius = (4, 6, 8, 10), 1

    def update(feature: int, scale: int) -> UpdateBlock:
        correlation = (2 * LEVELS * (2 * radius + 1) ** 2, *((8,) if small else (8, 6)))
        return UpdateBlock(correlation=correlation, flow=(4, 4), joint=8, hidden=8, feature=feature, scale=scale)

    return AMT(
        feat_encoder=Encoder(
            8, widths=(8, 8, 12, 12) if large else (8, 8, 12), block=BottleneckBlock if small else ResidualBlock
        ),
        widths=widths,
        first_kernel=3 if small else 7,
        side=4,
        decoder_width=12,
        fields=3 if small else 5,
        updates=(update(8, 1), update(6, 2), update(4, 4)),
        refinements=(update(6, 1), update(4, 1)) if large else None,
        blend_kernel=3 if small else 7,
        radius=radius,
    )
