"""The networks of MEMC-Net: three variants of one structure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.flownets.network import FlowNetS
from vsvfi.nets.flownets.network import estimate as flownets_estimate
from vsvfi.nets.geometry import reduced_size, resize_flow, resize_to
from vsvfi.nets.memc_net.blocks import EDSR, KERNEL_TAPS, ContextNet, PixelPrediction, deep_unet, edsr, light_unet
from vsvfi.nets.memc_net.warp import adaptive_warp_tile
from vsvfi.nets.spynet.network import SPyNet
from vsvfi.nets.tiles import Tile, by_tiles, receptive_radius, tile_of
from vsvfi.ops import adaptive_warp, flow_projection

__all__ = ["MEMCNet", "Motion", "Synthesis", "build", "create", "example", "plain_rectification"]

type PerFrame = tuple[Tensor, Tensor]
"""One tensor for the first frame, one for the second."""

_MULTIPLE = 64


@dataclass(frozen=True, slots=True)
class Motion:
    """What is known about two frames before they are warped, each for the first and for the second frame.

    ``flows`` ``(N, 2, H, W)`` lead from a frame half-way to the other, in pixels; ``projected`` ``(N, 2, H, W)`` from
    the new frame back to it. ``kernels`` are ``(N, 16, H, W)``. ``occlusion`` ``(N, 1, H, W)`` weigh the frames in
    the blend; None means one half everywhere.
    """

    flows: PerFrame
    projected: PerFrame
    kernels: PerFrame
    occlusion: PerFrame | None


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The new frame ``(N, 3, H, W)``, not clamped, and what it was before the rectification."""

    out: Tensor
    blend: Tensor


class SPyNetOnSwappedStatistics(SPyNet):
    """SPyNet on RGB frames as MEMC-Net_s feeds it.

    The reference normalises RGB by the statistics of BGR and then reverses the channels; the weights were trained
    with that.
    """

    def __init__(self) -> None:
        super().__init__(levels=6, border="zeros")

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels between RGB frames in [0, 1]."""
        mean = first.new_tensor((0.406, 0.456, 0.485))[:, None, None]
        std = first.new_tensor((0.225, 0.224, 0.229))[:, None, None]
        return super().forward(((first - mean) / std).flip(1), ((second - mean) / std).flip(1))


def plain_rectification(in_channels: int, width: int = 64) -> nn.Sequential:
    """The rectification of MEMC-Net and MEMC-Net_s: eight convolutions."""
    layers: list[nn.Module] = []
    for _ in range(7):
        layers += [conv(in_channels, width), nn.ReLU(inplace=True)]
        in_channels = width
    return nn.Sequential(*layers, conv(width, 3))


class MEMCNet(nn.Module):
    """Motion estimation, projection to the middle, adaptive warping, blending, rectification.

    The variants differ in their flow network, in whether there are occlusion maps and context features, and in the
    rectification.
    """

    def __init__(
        self,
        *,
        flow: FlowNetS | SPyNet,
        filter: PixelPrediction,  # noqa: A002 (the published name of the kernels' network)
        occlusion: PixelPrediction | None,
        context: ContextNet | None,
        rectification: nn.Module,
    ) -> None:
        super().__init__()
        self.flow = flow
        self.filter = filter
        self.occlusion = occlusion
        self.context = context
        self.rectification = rectification

    def _flow(self, first: Tensor, second: Tensor, scale: float) -> Tensor:
        size = (first.shape[-2], first.shape[-1])
        if scale != 1:
            reduced = reduced_size(size, scale, _MULTIPLE)
            first, second = resize_to(first, reduced), resize_to(second, reduced)
        # In fp32: rounding moves vectors across integers, which the projection and the kernels make visible.
        with torch.autocast(first.device.type, enabled=False):
            if isinstance(self.flow, FlowNetS):
                flow = flownets_estimate(self.flow, first.float(), second.float())
            else:
                flow = self.flow(first.float(), second.float())
        return resize_flow(flow, size)

    def prepare(self, frame0: Tensor, frame1: Tensor, flow_scale: float = 1.0) -> Motion:
        """Everything that comes before the warping.

        Args:
            frame0: RGB ``(N, 3, H, W)`` in [0, 1], sides multiples of 64.
            frame1: the other frame.
            flow_scale: the size of the frames that the flow is estimated on, relative to theirs.
        """
        both = torch.cat((frame0, frame1))
        swapped = torch.cat((frame1, frame0))
        forward, backward = (self._flow(both, swapped, flow_scale) / 2).chunk(2)
        # The published projection never looks below a hole, which is a bug; the networks were trained and evaluated so.
        projected0, projected1 = (flow_projection(flow, look_below=False).flow for flow in (forward, backward))
        frames = torch.cat((frame0, frame1), 1)
        kernel0, kernel1 = self.filter(frames)
        occlusion: PerFrame | None = None
        if self.occlusion is not None:
            first, second = self.occlusion(frames)
            occlusion = (0.5 + first, 0.5 + second)
        return Motion((forward, backward), (projected0, projected1), (kernel0, kernel1), occlusion)

    def synthesize(
        self, frame0: Tensor, frame1: Tensor, motion: Motion, tile_size: tuple[int, int] | None = None
    ) -> Synthesis:
        """The frame half-way between two RGB frames.

        Contexts and correction, which need the most memory, may be made in tiles of ``tile_size`` (height, width):
        that takes longer and gives the same.
        """
        frames = (frame0, frame1)
        warped0, warped1 = map(adaptive_warp, frames, motion.projected, motion.kernels)
        if motion.occlusion is None:
            blend = warped0 / 2 + warped1 / 2
            # Without maps, the first tap of the first kernel takes their place, twice: a bug of the published code
            # that the networks were trained with.
            maps = (motion.kernels[0][:, :1],) * 2
        else:
            maps = motion.occlusion
            blend = maps[0] * warped0 + maps[1] * warped1
        known = (blend, *motion.projected, *motion.kernels, *maps)

        def correction(tile: Tile) -> Tensor:
            inputs = [*map(tile.of, known), *self._warped_contexts(frames, motion, tile)]
            result: Tensor = self.rectification(torch.cat(inputs, 1))
            return result

        size = (frame0.shape[-2], frame0.shape[-1])
        return Synthesis(
            blend + by_tiles(correction, size, tile_size=tile_size, margin=receptive_radius(self.rectification)), blend
        )

    def _warped_contexts(self, frames: PerFrame, motion: Motion, tile: Tile) -> list[Tensor]:
        context = self.context
        if context is None:
            return []
        return [
            adaptive_warp_tile(partial(tile_of, context, frame), flow, kernels, tile)
            for frame, flow, kernels in zip(frames, motion.projected, motion.kernels, strict=True)
        ]


def build(shapes: Shapes) -> MEMCNet:
    """The variant that the names and shapes of a state dict show."""
    width = shapes["filter.heads.0.0.weight"][0]
    norm = any(name.startswith("filter.trunk.") and name.endswith("running_mean") for name in shapes)
    if "rectification.head.weight" in shapes:
        rectification: nn.Module = edsr(shapes, "rectification.")
    else:
        wide, known = shapes["rectification.0.weight"][:2]
        rectification = plain_rectification(known, wide)
    if "flow.conv1.0.weight" not in shapes:
        return MEMCNet(
            flow=SPyNetOnSwappedStatistics(),
            filter=PixelPrediction(light_unet(width, norm=norm, align_corners=True), KERNEL_TAPS, width=width),
            occlusion=None,
            context=None,
            rectification=rectification,
        )
    context = shapes.get("context.conv1.weight")
    return MEMCNet(
        flow=FlowNetS(width=shapes["flow.conv1.0.weight"][0]),
        filter=PixelPrediction(deep_unet(width, norm=norm), KERNEL_TAPS, width=width),
        occlusion=PixelPrediction(deep_unet(width, norm=norm), 1, width=width),
        context=ContextNet(context[0]) if context else None,
        rectification=rectification,
    )


def create(name: str) -> MEMCNet:
    """The untrained network of the model called ``name``, at its published size."""
    known = 3 + 2 * 2 + 2 * KERNEL_TAPS + 2
    if name == "memc-net-s":
        return MEMCNet(
            flow=SPyNetOnSwappedStatistics(),
            filter=PixelPrediction(light_unet(norm=True, align_corners=True), KERNEL_TAPS),
            occlusion=None,
            context=None,
            rectification=plain_rectification(known),
        )
    star = name == "memc-net-star"
    return MEMCNet(
        flow=FlowNetS(),
        filter=PixelPrediction(deep_unet(norm=not star), KERNEL_TAPS),
        occlusion=PixelPrediction(deep_unet(norm=not star), 1),
        context=ContextNet() if star else None,
        rectification=EDSR(known + 2 * 64) if star else plain_rectification(known),
    )


def example(name: str) -> MEMCNet:
    """A very small untrained network in the manner of the model called ``name``."""
    width = 2
    kernels_and_flows = 3 + 2 * 2 + 2 * KERNEL_TAPS + 2
    if name == "memc-net-s":
        return MEMCNet(
            flow=SPyNetOnSwappedStatistics(),
            filter=PixelPrediction(light_unet(width, norm=True, align_corners=True), KERNEL_TAPS, width=width),
            occlusion=None,
            context=None,
            rectification=plain_rectification(kernels_and_flows, 4),
        )
    star = name == "memc-net-star"
    return MEMCNet(
        flow=FlowNetS(width=2),
        filter=PixelPrediction(deep_unet(width, norm=not star), KERNEL_TAPS, width=width),
        occlusion=PixelPrediction(deep_unet(width, norm=not star), 1, width=width),
        context=ContextNet(4) if star else None,
        rectification=EDSR(kernels_and_flows + 2 * 4, blocks=1, channels=4)
        if star
        else plain_rectification(kernels_and_flows, 4),
    )
