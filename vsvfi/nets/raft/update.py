"""RAFT's update operator (section 3.3) and convex upsampling (section 3.3, "Upsampling")."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.blocks import conv

__all__ = ["FlowHead", "MotionEncoder", "SepConvGRU", "UpdateBlock", "convex_upsample"]


class MotionEncoder(nn.Module):
    """Joins the correlation features and the flow so far to ``2 * width`` channels, the flow itself last."""

    def __init__(self, correlation_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.convc1 = conv(correlation_channels, 4 * width, 1)
        self.convc2 = conv(4 * width, 3 * width)
        self.convf1 = conv(2, 2 * width, 7)
        self.convf2 = conv(2 * width, width)
        self.conv = conv(4 * width, 2 * width - 2)

    def forward(self, flow: Tensor, correlation: Tensor) -> Tensor:
        """``(N, 2 * width, h, w)`` from ``(N, 2, h, w)`` and ``(N, correlation_channels, h, w)``."""
        cor = torch.relu(self.convc2(torch.relu(self.convc1(correlation))))
        flo = torch.relu(self.convf2(torch.relu(self.convf1(flow))))
        out = torch.relu(self.conv(torch.cat((cor, flo), 1)))
        return torch.cat((out, flow), 1)


class SepConvGRU(nn.Module):
    """A gated recurrent unit of separable convolutions: a horizontal pass, then a vertical one."""

    def __init__(self, hidden: int, inputs: int) -> None:
        super().__init__()
        channels = hidden + inputs
        self.convz1 = nn.Conv2d(channels, hidden, (1, 5), padding=(0, 2))
        self.convr1 = nn.Conv2d(channels, hidden, (1, 5), padding=(0, 2))
        self.convq1 = nn.Conv2d(channels, hidden, (1, 5), padding=(0, 2))
        self.convz2 = nn.Conv2d(channels, hidden, (5, 1), padding=(2, 0))
        self.convr2 = nn.Conv2d(channels, hidden, (5, 1), padding=(2, 0))
        self.convq2 = nn.Conv2d(channels, hidden, (5, 1), padding=(2, 0))

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """The next hidden state."""
        for convz, convr, convq in (
            (self.convz1, self.convr1, self.convq1),
            (self.convz2, self.convr2, self.convq2),
        ):
            both = torch.cat((hidden, x), 1)
            z = torch.sigmoid(convz(both))
            r = torch.sigmoid(convr(both))
            q = torch.tanh(convq(torch.cat((r * hidden, x), 1)))
            hidden = (1 - z) * hidden + z * q
        return hidden


class FlowHead(nn.Module):
    """The flow increment ``(N, 2, h, w)`` that a hidden state asks for, in fp32."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.conv1 = conv(hidden, 2 * hidden)
        self.conv2 = conv(2 * hidden, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(N, hidden, h, w)`` to ``(N, 2, h, w)``."""
        increment: Tensor = self.conv2(torch.relu(self.conv1(hidden)))
        return increment.float()


class UpdateBlock(nn.Module):
    """One step of the recurrent refinement: a new hidden state and the flow increment.

    Args:
        correlation_channels: channels of the correlation features.
        width: half the channels of the hidden state, of the context and of the motion.
        motions: how many motion features the recurrent unit sees beside the context.
    """

    def __init__(self, correlation_channels: int, *, width: int = 64, motions: int = 1) -> None:
        super().__init__()
        hidden = 2 * width
        self.encoder = MotionEncoder(correlation_channels, width=width)
        self.gru = SepConvGRU(hidden, (1 + motions) * hidden)
        self.flow_head = FlowHead(hidden)
        self.mask = nn.Sequential(conv(hidden, 2 * hidden), nn.ReLU(), conv(2 * hidden, 9 * 8 * 8, 1))

    def forward(self, hidden: Tensor, context: Tensor, correlation: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """The next hidden state and the increment ``(N, 2, h, w)`` to the flow ``(N, 2, h, w)``."""
        motion = self.encoder(flow, correlation)
        hidden = self.gru(hidden, torch.cat((context, motion), 1))
        return hidden, self.flow_head(hidden)

    def upsample(self, flow: Tensor, hidden: Tensor) -> Tensor:
        """The flow ``(N, 2, h, w)`` at eight times the size, by weights that the hidden state predicts, in fp32."""
        mask: Tensor = self.mask(hidden)
        return convex_upsample(flow, 0.25 * mask.float())


def convex_upsample(flow: Tensor, mask: Tensor, factor: int = 8) -> Tensor:
    """A flow ``factor`` times as large: every new pixel is a convex combination of its 3x3 coarse neighbours.

    Args:
        flow: ``(N, 2, h, w)`` in its own pixels.
        mask: ``(N, 9 * factor * factor, h, w)``, weights before the softmax over the nine neighbours.
        factor: how much larger the flow gets.

    Returns:
        the flow ``(N, 2, factor * h, factor * w)`` in pixels of the large size.
    """
    n, _, h, w = flow.shape
    weights = torch.softmax(mask.view(n, 1, 9, factor, factor, h, w), 2)
    neighbours = functional.unfold(factor * flow, 3, padding=1).view(n, 2, 9, 1, 1, h, w)
    fine = (weights * neighbours).sum(2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(n, 2, factor * h, factor * w)
