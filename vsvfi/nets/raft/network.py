"""RAFT (basic): Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020, arXiv 2003.12039."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import FrozenBatchNorm2d
from vsvfi.nets.correlation import AllPairs
from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.raft.encoder import Encoder
from vsvfi.nets.raft.update import UpdateBlock

__all__ = ["RAFT", "FrameFeatures", "build", "estimate"]

LEVELS = 4
RADIUS = 4


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What a flow estimator makes of one frame ``(N, 3, H, W)``, whichever end of the flow it is.

    ``matching`` ``(N, C, H/8, W/8)`` is compared between frames, in fp32; ``context`` ``(N, C, H/8, W/8)`` guides
    the flow that starts in this frame; ``quarter`` and ``eighth`` are stages of the context encoder, at those
    fractions of the size, that interpolation networks build upon.
    """

    matching: Tensor
    context: Tensor
    quarter: Tensor
    eighth: Tensor


class RAFT(nn.Module):
    """Optical flow by a recurrent unit that looks up all-pairs correlations around its estimate.

    Args:
        width: channels of the first stage of its encoders; all others are in proportion.
        iterations: how often the flow is refined.
    """

    def __init__(self, *, width: int = 64, iterations: int = 20) -> None:
        super().__init__()
        self.iterations = iterations
        widths = (width, 3 * width // 2, 2 * width)
        self.fnet = Encoder(4 * width, norm=nn.InstanceNorm2d, widths=widths)
        self.cnet = Encoder(4 * width, norm=FrozenBatchNorm2d, widths=widths)
        self.update_block = UpdateBlock(LEVELS * (2 * RADIUS + 1) ** 2, width=width)

    def encode(self, frame: Tensor) -> FrameFeatures:
        """The features of RGB frames ``(N, 3, H, W)`` in [0, 1]; H and W are multiples of 8."""
        frame = 2 * frame - 1
        _, quarter, eighth = self.cnet.stages(frame)
        return FrameFeatures(self.fnet(frame).float(), self.cnet.conv2(eighth), quarter, eighth)

    def flow(
        self,
        first: FrameFeatures,
        second: FrameFeatures,
        *,
        iterations: int | None = None,
        initial: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The flow from ``first`` to ``second``.

        Args:
            first: the frame that the flow starts in.
            second: the frame that it points to.
            iterations: instead of the constructor's.
            initial: the estimate to start from, ``(N, 2, H/8, W/8)``, in its own pixels; by default zero.

        Returns:
            the flow ``(N, 2, H, W)`` in pixels, and the last estimate ``(N, 2, H/8, W/8)`` in its own pixels.
        """
        n, _, h, w = first.matching.shape
        correlation = AllPairs.of(first.matching, second.matching, levels=LEVELS)
        grid = pixel_grid(h, w, first.matching.device)
        hidden, context = first.context.chunk(2, 1)
        hidden, context = torch.tanh(hidden), torch.relu(context)
        flow = grid.new_zeros(n, 2, h, w) if initial is None else initial.float()
        for _ in range(self.iterations if iterations is None else iterations):
            found = correlation.lookup(grid + flow, radius=RADIUS)
            hidden, increment = self.update_block(hidden, context, found, flow)
            flow = flow + increment
        return self.update_block.upsample(flow, hidden), flow

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels between RGB frames ``(N, 3, H, W)`` in [0, 1]."""
        return self.flow(self.encode(first), self.encode(second))[0]


def build(shapes: Shapes) -> RAFT:
    """The network whose state dict has these shapes."""
    return RAFT(width=shapes["fnet.conv1.weight"][0])


def estimate(network: nn.Module, frame0: Tensor, frame1: Tensor) -> Tensor:
    """The flow from ``frame0`` to ``frame1``, see `vsvfi.models.info.EstimatorInfo`."""
    flow: Tensor = network(frame0, frame1)
    return flow
