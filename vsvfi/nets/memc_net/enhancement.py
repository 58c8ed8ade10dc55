"""MEMC-Net for video enhancement: six neighbours, motion-compensated, help to restore the frame between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.flownets.network import FLOW_UNIT, FlowNetS
from vsvfi.nets.memc_net.blocks import EDSR, KERNEL_TAPS, ContextNet, PixelPrediction, deep_unet, edsr
from vsvfi.ops import adaptive_warp

__all__ = ["Enhancement", "MEMCNetVE", "build", "example"]


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What the network returns: the restored frame ``(N, 3, H, W)``, not clamped, and the neighbours' raw flows.

    ``flows`` are ``(6N, 2, H / 4, W / 4)``, neighbour by neighbour, in units of 20 pixels of full resolution.
    """

    out: Tensor
    flows: Tensor


class MEMCNetVE(nn.Module):
    """Restores frame 3 of seven frames."""

    def __init__(self, *, flow: FlowNetS, filter: PixelPrediction, context: ContextNet, rectification: EDSR) -> None:  # noqa: A002
        super().__init__()
        self.flow = flow
        self.filter = filter
        self.context = context
        self.rectification = rectification

    def forward(self, frames: Tensor) -> Enhancement:
        """Restore the middle frame.

        Args:
            frames: seven consecutive RGB frames at the size of the result, ``(7, N, 3, H, W)`` in [0, 1], sides
                multiples of 64.
        """
        middle = frames[3]
        neighbours = torch.cat([frames[index] for index in (0, 1, 2, 4, 5, 6)])
        pairs = torch.cat((middle.repeat(6, 1, 1, 1), neighbours), 1)
        raw = self.flow(pairs)[0]
        flow = functional.interpolate(FLOW_UNIT * raw, scale_factor=4, mode="bilinear", align_corners=True)
        (kernel,) = self.filter(pairs)
        features = torch.cat((neighbours, self.context(neighbours)), 1)
        warped = adaptive_warp(features, flow, kernel).chunk(6)
        # In the order of time, the middle frame itself among its neighbours.
        sequence = [*warped[:3], torch.cat((middle, self.context(middle)), 1), *warped[3:]]
        known = [
            *(part[:, 3:] for part in sequence),
            *flow.chunk(6),
            *kernel.chunk(6),
            *(part[:, :3] for part in sequence),
        ]
        return Enhancement(middle + self.rectification(torch.cat(known, 1)), raw)


def build(shapes: Shapes) -> MEMCNetVE:
    """The network with the channels that the shapes show."""
    width = shapes["filter.heads.0.0.weight"][0]
    return MEMCNetVE(
        flow=FlowNetS(width=shapes["flow.conv1.0.weight"][0]),
        filter=PixelPrediction(deep_unet(width, norm=True), KERNEL_TAPS, heads=1, width=width),
        context=ContextNet(shapes["context.conv1.weight"][0]),
        rectification=edsr(shapes, "rectification."),
    )


def example(_name: str) -> MEMCNetVE:
    """A very small untrained network."""
    known = 6 * (2 + KERNEL_TAPS) + 7 * (3 + 4)
    return MEMCNetVE(
        flow=FlowNetS(width=2),
        filter=PixelPrediction(deep_unet(2, norm=True), KERNEL_TAPS, heads=1, width=2),
        context=ContextNet(4),
        rectification=EDSR(known, blocks=1, channels=4),
    )
