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
from vsvfi.nets.memc_net.warp import adaptive_warp_part
from vsvfi.nets.pwcnet import network as pwcnet
from vsvfi.nets.pwcnet.network import FLOW_UNIT, PWCNet
from vsvfi.nets.regions import Region, by_regions, part_of, reach_of
from vsvfi.ops import adaptive_warp, depth_flow_projection

__all__ = ["DAIN", "Encoded", "Pair", "Synthesis", "build", "example"]

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
class Pair:
    """What depends on a pair of frames, each for the first and for the second of them.

    ``flows`` are ``(N, 2, h, w)``, at a quarter of the size that motion was estimated at, in pixels of full size;
    ``proximity`` ``(N, 1, H, W)`` is large where a frame shows something near; ``kernels`` are ``(N, 16, H, W)``;
    ``log_depth`` is ``(N, 1, H, W)``; ``contexts`` ``(N, C, H, W)`` end with it, and are None where they are made piece
    by piece.
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
    """`encode` both frames, `analyse` the pair, `synthesize` as many frames between them as are wanted.

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

    def analyse(
        self, frames: tuple[Tensor, Tensor], encoded: tuple[Encoded, Encoded], *, with_contexts: bool = True
    ) -> Pair:
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
        whole = Region(0, height, 0, width)
        depth0, depth1 = (one.log_depth for one in encoded)
        return Pair(
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

    def _context(self, frame: Tensor, log_depth: Tensor, region: Region) -> Tensor:
        features = part_of(self.context, frame, region)
        return torch.cat((features, region.of(log_depth).to(features.dtype)), 1)

    def synthesize(self, pair: Pair, timestep: float, piece: tuple[int, int] | None = None) -> Synthesis:
        """The frame at ``timestep`` in (0, 1).

        Warped contexts and correction, which need the most memory, may be made in pieces of a height and a width: that
        takes longer, and gives the same.
        """
        size = (pair.frames[0].shape[-2], pair.frames[0].shape[-1])
        # Scaled by time before the upsampling, as the reference does.
        flow0, flow1 = (
            functional.interpolate(flow * fraction, size, mode="bilinear", align_corners=False)
            for flow, fraction in zip(pair.flows, (timestep, 1 - timestep), strict=True)
        )
        projected = (
            depth_flow_projection(flow0, pair.proximity[0]).flow,
            depth_flow_projection(flow1, pair.proximity[1]).flow,
        )
        warped0, warped1 = map(adaptive_warp, pair.frames, projected, pair.kernels)
        blend = (1 - timestep) * warped0 + timestep * warped1
        parts = (blend, warped0, warped1, *projected, *pair.kernels)

        def correction(region: Region) -> Tensor:
            # No name for what is read here, so that it is freed before the later blocks need memory.
            features = self.rectification.block1(self._known(parts, pair, projected, region))
            return self.rectification.correct(features)

        correct = by_regions(correction, size, piece=piece, reach=reach_of(self.rectification))
        return Synthesis(blend + correct, blend, (flow0, flow1), projected)

    def _known(self, parts: tuple[Tensor, ...], pair: Pair, projected: tuple[Tensor, Tensor], region: Region) -> Tensor:
        """A region of ``parts`` and of the warped contexts as one tensor, of which one context is held twice."""
        small = torch.cat([region.of(part) for part in parts], 1)
        joined: Tensor | None = None
        first = small.shape[1]
        for index, (flow, kernels) in enumerate(zip(projected, pair.kernels, strict=True)):
            warped = adaptive_warp_part(partial(self._part, pair, index), flow, kernels, region)
            channels = warped.shape[1]
            if joined is None:
                joined = warped.new_empty((len(warped), first + 2 * channels, *warped.shape[2:]))
                joined[:, :first] = small
            joined[:, first + index * channels : first + (index + 1) * channels] = warped
        assert joined is not None
        return joined

    def _part(self, pair: Pair, index: int, region: Region) -> Tensor:
        """A region of one frame's context."""
        if pair.contexts is None:
            return self._context(pair.frames[index], pair.log_depth[index], region)
        return region.of(pair.contexts[index])


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


def example(_name: str) -> DAIN:
    """A very small untrained network."""
    return DAIN(
        flow=PWCNet(widths=(4,) * 6, dense=(4,) * 5),
        depth=MegaDepth(8),
        context=ContextNet(4),
        filter=PixelPrediction(light_unet(2, norm=False, align_corners=False), KERNEL_TAPS, width=2),
        width=4,
    )
