"""The network of DAIN, taken apart by what its parts depend on: a frame, a pair of frames, a timestep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.nets.geometry import reduced_size, resize_to
from vsvfi.nets.megadepth import network as megadepth
from vsvfi.nets.megadepth.network import MegaDepth, proximity
from vsvfi.nets.memc_net.blocks import KERNEL_TAPS, PixelPrediction, light_unet
from vsvfi.nets.memc_net.warp import adaptive_warp_tile
from vsvfi.nets.pwcnet import network as pwcnet
from vsvfi.nets.pwcnet.network import FLOW_UNIT, PWCNet
from vsvfi.nets.tiles import Tile, by_tiles, receptive_radius, tile_of
from vsvfi.ops import adaptive_warp, depth_flow_projection

__all__ = ["DAIN", "DAINState", "Encoded", "Synthesis", "build", "create", "example"]

_MULTIPLE = 64


class DilatedBlock(nn.Module):
    """``relu(x + conv2(relu(conv1(x))))`` without biases; the first convolution is dilated."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, dilation=dilation, bias=False)
        self.conv2 = conv(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + x)


class ContextNet(nn.Module):
    """Context features at full size: the frame and what three blocks see in ever wider windows."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.block1 = nn.Sequential(conv(3, channels, 7, bias=False), nn.ReLU(inplace=True))
        self.block2 = DilatedBlock(channels, dilation=4)
        self.block3 = DilatedBlock(channels, dilation=8)
        self.out_channels = 3 + 3 * channels

    def forward(self, frame: Tensor) -> Tensor:
        """RGB ``(N, 3, H, W)`` in [0, 1] to ``(N, out_channels, H, W)``."""
        near = self.block1(frame)
        middle = self.block2(near)
        far = self.block3(middle)
        return torch.cat((frame.to(far.dtype), near, middle, far), 1)


class Rectification(nn.Module):
    """The residual network that corrects the blended frame."""

    def __init__(self, in_channels: int, channels: int = 128) -> None:
        super().__init__()
        self.block1 = nn.Sequential(conv(in_channels, channels, 7), nn.ReLU(inplace=True))
        self.block2 = DilatedBlock(channels)
        self.block3 = DilatedBlock(channels)
        self.block4 = DilatedBlock(channels)
        self.block5 = nn.Sequential(conv(channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to a correction ``(N, 3, H, W)``."""
        return self.correct(self.block1(x))

    def correct(self, features: Tensor) -> Tensor:
        """What `forward` does after the first block, which alone needs the whole input in memory."""
        correction: Tensor = self.block5(self.block4(self.block3(self.block2(features))))
        return correction


@dataclass(frozen=True, slots=True)
class Encoded:
    """What depends on one frame, in fp32.

    ``pyramid`` are the flow network's features, coarser and coarser; ``log_depth`` is ``(N, 1, H, W)``.
    """

    pyramid: list[Tensor]
    log_depth: Tensor


@dataclass(frozen=True, slots=True)
class DAINState:
    """What depends on a pair of frames, each for the first and for the second of them.

    ``flows`` are ``(N, 2, h, w)``, at a quarter of the size that motion was estimated at, in pixels of full size;
    ``proximity`` ``(N, 1, H, W)`` is large where a frame shows something near; ``kernels`` are ``(N, 16, H, W)``;
    ``log_depth`` is ``(N, 1, H, W)``; ``contexts`` ``(N, C, H, W)`` end with it, and are None where they are made tile
    by tile.
    """

    frames: tuple[Tensor, Tensor]
    flows: tuple[Tensor, Tensor]
    proximity: tuple[Tensor, Tensor]
    kernels: tuple[Tensor, Tensor]
    log_depth: tuple[Tensor, Tensor]
    contexts: tuple[Tensor, Tensor] | None


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The new frame ``(N, 3, H, W)``, not clamped, and how it came about.

    ``blend`` is the frame before the rectification; ``flows`` ``(N, 2, H, W)`` lead from each frame to the new one,
    ``projected`` from the new one back to each frame, in pixels.
    """

    out: Tensor
    blend: Tensor
    flows: tuple[Tensor, Tensor]
    projected: tuple[Tensor, Tensor]


class DAIN(nn.Module):
    """`encode` both frames, `prepare` the pair, `synthesize` as many frames between them as are wanted.

    Frames are RGB ``(N, 3, H, W)`` in [0, 1] for all parts (PWC-Net, fed with BGR by its authors, was fine-tuned so),
    sides multiples of 64.
    """

    def __init__(
        self,
        *,
        flow: PWCNet,
        depth: MegaDepth,
        context: ContextNet,
        filter: PixelPrediction,  # noqa: A002 (the published name of the kernels' network)
        width: int = 128,
    ) -> None:
        super().__init__()
        self.flow = flow
        self.depth = depth
        self.context = context
        self.filter = filter
        # Blended and both warped frames, projected flows, kernels, warped contexts and log depths.
        known = 3 * 3 + 2 * 2 + 2 * KERNEL_TAPS + 2 * (context.out_channels + 1)
        self.rectification = Rectification(known, width)

    def encode(self, frame: Tensor, scale: float = 1.0) -> Encoded:
        """What depends on a frame alone; motion features and depth are estimated at ``scale`` times its size."""
        size = (frame.shape[-2], frame.shape[-1])
        small = frame if scale == 1 else resize_to(frame, reduced_size(size, scale, _MULTIPLE))
        with torch.autocast(frame.device.type, enabled=False):
            pyramid = self.flow.features(small.float())
        return Encoded(pyramid, resize_to(self.depth(small).float(), size))

    def prepare(
        self, frames: tuple[Tensor, Tensor], encoded: tuple[Encoded, Encoded], *, with_contexts: bool = True
    ) -> DAINState:
        """What depends on the pair but not on the timestep; contexts only where there is memory for them."""
        first, second = (one.pyramid for one in encoded)
        both = [torch.cat(levels) for levels in zip(first, second, strict=True)]
        swapped = [torch.cat(levels) for levels in zip(second, first, strict=True)]
        # In fp32: rounding moves vectors across integers, which the projection and the kernels make visible.
        with torch.autocast(frames[0].device.type, enabled=False):
            flow = FLOW_UNIT * self.flow.match(both, swapped)[0]
        height, width = frames[0].shape[-2:]
        # In pixels of full size, also where motion was estimated on smaller frames.
        ratio = flow.new_tensor((width / (4 * flow.shape[-1]), height / (4 * flow.shape[-2])))
        forward, backward = (flow * ratio[:, None, None]).chunk(2)
        kernel0, kernel1 = self.filter(torch.cat(frames, 1))
        whole = Tile(0, height, 0, width)
        depth0, depth1 = (one.log_depth for one in encoded)
        return DAINState(
            frames=frames,
            flows=(forward, backward),
            proximity=(proximity(depth0), proximity(depth1)),
            kernels=(kernel0, kernel1),
            log_depth=(depth0, depth1),
            # Of the pair, not of each frame, for their size: a frame's context has 196 channels.
            contexts=(self._context(frames[0], depth0, whole), self._context(frames[1], depth1, whole))
            if with_contexts
            else None,
        )

    def _context(self, frame: Tensor, log_depth: Tensor, tile: Tile) -> Tensor:
        features = tile_of(self.context, frame, tile)
        return torch.cat((features, tile.of(log_depth).to(features.dtype)), 1)

    def synthesize(self, state: DAINState, timestep: float, tile_size: tuple[int, int] | None = None) -> Synthesis:
        """The frame at ``timestep`` in (0, 1).

        Warped contexts and correction, which need the most memory, may be made in tiles of ``tile_size`` (height,
        width): that takes longer and gives the same.
        """
        size = (state.frames[0].shape[-2], state.frames[0].shape[-1])
        # Scaled by time before the upsampling, as the reference does.
        flow0, flow1 = (
            functional.interpolate(flow * fraction, size, mode="bilinear", align_corners=False)
            for flow, fraction in zip(state.flows, (timestep, 1 - timestep), strict=True)
        )
        projected = (
            depth_flow_projection(flow0, state.proximity[0]).flow,
            depth_flow_projection(flow1, state.proximity[1]).flow,
        )
        warped0, warped1 = map(adaptive_warp, state.frames, projected, state.kernels)
        blend = (1 - timestep) * warped0 + timestep * warped1
        parts = (blend, warped0, warped1, *projected, *state.kernels)

        def correction(tile: Tile) -> Tensor:
            # No name for what is read here, so that it is freed before the later blocks need memory.
            features = self.rectification.block1(self._known(parts, state, projected, tile))
            return self.rectification.correct(features)

        correct = by_tiles(correction, size, tile_size=tile_size, margin=receptive_radius(self.rectification))
        return Synthesis(blend + correct, blend, (flow0, flow1), projected)

    def _known(
        self, parts: tuple[Tensor, ...], state: DAINState, projected: tuple[Tensor, Tensor], tile: Tile
    ) -> Tensor:
        """A tile of ``parts`` and of the warped contexts as one tensor, of which one context is held twice."""
        small = torch.cat([tile.of(part) for part in parts], 1)
        joined: Tensor | None = None
        first = small.shape[1]
        for index, (flow, kernels) in enumerate(zip(projected, state.kernels, strict=True)):
            warped = adaptive_warp_tile(partial(self._context_tile, state, index), flow, kernels, tile)
            channels = warped.shape[1]
            if joined is None:
                joined = warped.new_empty((len(warped), first + 2 * channels, *warped.shape[2:]))
                joined[:, :first] = small
            joined[:, first + index * channels : first + (index + 1) * channels] = warped
        assert joined is not None
        return joined

    def _context_tile(self, state: DAINState, index: int, tile: Tile) -> Tensor:
        """A tile of one frame's context."""
        if state.contexts is None:
            return self._context(state.frames[index], state.log_depth[index], tile)
        return tile.of(state.contexts[index])


def build(shapes: Shapes) -> DAIN:
    """The network with the channels that the shapes show."""

    def part(prefix: str) -> dict[str, tuple[int, ...]]:
        return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}

    width = shapes["filter.heads.0.0.weight"][0]
    return DAIN(
        flow=pwcnet.build(part("flow.")),
        depth=megadepth.build(part("depth.")),
        context=ContextNet(shapes["context.block1.0.weight"][0]),
        filter=PixelPrediction(light_unet(width, norm=False, align_corners=False), KERNEL_TAPS, width=width),
        width=shapes["rectification.block1.0.weight"][0],
    )


def create(_name: str) -> DAIN:
    """The untrained network at its published size."""
    return DAIN(
        flow=PWCNet(),
        depth=MegaDepth(),
        context=ContextNet(),
        filter=PixelPrediction(light_unet(norm=False, align_corners=False), KERNEL_TAPS),
    )


def example(_name: str) -> DAIN:
    """A very small untrained network."""
    return DAIN(
        flow=PWCNet(widths=(4,) * 6, dense=(4,) * 5),
        depth=MegaDepth(8),
        context=ContextNet(4),
        filter=PixelPrediction(light_unet(2, norm=False, align_corners=False), KERNEL_TAPS, width=2),
        width=4,
    )
