"""The network of IFRNet (Kong et al., CVPR 2022).

Flow towards both frames and a feature of the new frame are refined together, from 1/16 of the size to the full
one. Time enters as one constant channel at the coarsest level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.geometry import resize, resize_to
from vsvfi.nets.ifr import Decoder, PyramidEncoder, mean_of
from vsvfi.ops import backward_warp, refinement_blend, refinement_input

__all__ = ["FLOW_HEADS", "IFRNet", "IFRNetState", "build", "create", "example"]

FLOW_HEADS = (r"^decoder\d\.convblock\.2\.",)


@dataclass(frozen=True, slots=True)
class IFRNetState:
    """What two frames have in common at every timestep.

    ``frames`` are ``(1, 3, H, W)`` less their ``mean``; ``features`` are theirs, finest first, and were made from
    frames resized by ``scale``.
    """

    frames: tuple[Tensor, Tensor]
    mean: Tensor
    features: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    scale: float


class IFRNet(nn.Module):
    """Encoder, four decoders, and the blend.

    Args:
        widths: channels of the encoder's four levels, finest first.
        side: channels that a decoder's residual block refines on their own.
        first_kernel: kernel size of the encoder's first convolution.
    """

    def __init__(self, *, widths: Sequence[int], side: int, first_kernel: int = 3) -> None:
        super().__init__()
        self.joined = False  # in training, derivatives are needed
        w1, w2, w3, w4 = widths
        self.encoder = PyramidEncoder(widths, first_kernel)
        self.decoder4 = Decoder(2 * w4 + 1, 2 * w4, w3 + 4, side=side)
        self.decoder3 = Decoder(3 * w3 + 4, 3 * w3, w2 + 4, side=side)
        self.decoder2 = Decoder(3 * w2 + 4, 3 * w2, w1 + 4, side=side)
        self.decoder1 = Decoder(3 * w1 + 4, 3 * w1, 8, side=side)

    def prepare(self, frame0: Tensor, frame1: Tensor, mean: Tensor, scale: float = 1.0) -> IFRNetState:
        """Features of two frames ``(1, 3, H, W)`` less their ``mean``; their sizes by ``scale`` are multiples of 16."""
        frames = (frame0 - mean, frame1 - mean)
        features = tuple(self.encoder(resize(frame, scale)) for frame in frames)
        return IFRNetState(frames, mean, (features[0], features[1]), scale)

    def synthesize(self, state: IFRNetState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``."""
        if self.joined and state.scale == 1:
            return self._synthesize_joined(state, timesteps)
        count = len(timesteps)
        features0, features1 = ([level.expand(count, -1, -1, -1) for level in levels] for levels in state.features)
        coarsest = features0[3]
        time = timesteps.to(coarsest).view(-1, 1, 1, 1).expand(-1, 1, *coarsest.shape[2:])

        refined = self.decoder4(coarsest, features1[3], time)
        flow, feature = refined[:, :4].float(), refined[:, 4:]
        for level, decoder in ((2, self.decoder3), (1, self.decoder2), (0, self.decoder1)):
            refined = decoder(
                feature,
                backward_warp(features0[level], flow[:, 0:2]),
                backward_warp(features1[level], flow[:, 2:4]),
                flow,
            )
            flow = refined[:, :4].float() + 2 * resize(flow, 2)
            feature = refined[:, 4:]

        mask, residual = torch.sigmoid(feature[:, :1].float()), feature[:, 1:].float()
        frame0, frame1 = (frame.expand(count, -1, -1, -1) for frame in state.frames)
        size = (frame0.shape[-2], frame0.shape[-1])
        flow = resize_to(flow, size) / state.scale
        mask, residual = resize_to(mask, size), resize_to(residual, size)
        warped0, warped1 = backward_warp(frame0, flow[:, 0:2]), backward_warp(frame1, flow[:, 2:4])
        return (mask * warped0 + (1 - mask) * warped1 + state.mean + residual).clamp(0, 1)

    def _synthesize_joined(self, state: IFRNetState, timesteps: Tensor) -> Tensor:
        """`synthesize` with a level's flow, warping and concatenation in one pass; without derivatives."""
        first, second = state.features
        coarsest = [level[3].expand(len(timesteps), -1, -1, -1) for level in (first, second)]
        time = timesteps.to(coarsest[0]).view(-1, 1, 1, 1).expand(-1, 1, *coarsest[0].shape[2:])
        refined, flow = self.decoder4(*coarsest, time), None
        for level, decoder in ((2, self.decoder3), (1, self.decoder2), (0, self.decoder1)):
            flow, seen = refinement_input(refined, flow, (first[level], second[level]))
            refined = decoder(seen)
        assert flow is not None
        return refinement_blend(refined, flow, state.frames, state.mean)

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` ``(T,)`` between two frames ``(1, 3, H, W)``."""
        mean = (mean_of(frame0) + mean_of(frame1)) / 2
        return self.synthesize(self.prepare(frame0, frame1, mean, scale), timesteps)


def build(shapes: Shapes) -> IFRNet:
    """The network whose state dict has these shapes."""
    widths = tuple(shapes[f"encoder.pyramid{level}.0.0.weight"][0] for level in (1, 2, 3, 4))
    return IFRNet(
        widths=widths,
        side=shapes["decoder4.convblock.1.conv2.0.weight"][0],
        first_kernel=shapes["encoder.pyramid1.0.0.weight"][-1],
    )


def create(name: str) -> IFRNet:
    """The untrained network of the model called ``name``, at its published size."""
    width = {"ifrnet-s": 24, "ifrnet": 32, "ifrnet-l": 64}[name]
    widths = (width, width * 3 // 2, width * 9 // 4, width * 3)
    return IFRNet(widths=widths, side=width, first_kernel=7 if name == "ifrnet-l" else 3)


def example(name: str) -> IFRNet:
    """A very small untrained network in the manner of the model called ``name``."""
    return IFRNet(widths=(4, 6, 8, 10), side=4, first_kernel=7 if name == "ifrnet-l" else 3)
