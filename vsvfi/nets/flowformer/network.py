"""FlowFormer (LatentCostFormer): optical flow, ECCV 2022, arXiv 2203.16194."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.correlation import AllPairs
from vsvfi.nets.flowformer.attention import attend, linear_sine_code
from vsvfi.nets.flowformer.cost import HEADS, CostEncoder
from vsvfi.nets.flowformer.twins import Twins
from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.raft.network import FrameFeatures
from vsvfi.nets.raft.update import UpdateBlock

__all__ = ["FlowFormer", "build"]

RADIUS = 4
LOOKUP = (2 * RADIUS + 1) ** 2


class CostCrossAttention(nn.Module):
    """What the cost memory of a position says to a query made of the costs around the current flow."""

    def __init__(self, query: int, memory: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(query)
        self.norm2 = nn.LayerNorm(query)
        self.q = nn.Linear(query, query)
        self.k = nn.Linear(memory, query)
        self.v = nn.Linear(memory, query)
        self.proj = nn.Linear(2 * query, query)
        self.ffn = nn.Sequential(nn.Linear(query, query), nn.GELU(), nn.Linear(query, query))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, position: Tensor) -> Tensor:
        """Queries ``(M, 1, C)`` at ``position`` ``(M, 1, 2)``, keys and values ``(M, 8, C)``; shape of ``query``."""
        located = self.norm1(query) + linear_sine_code(position, query.shape[-1])
        answer = attend(self.q(located), key, value, HEADS)
        x = query + self.proj(torch.cat((answer, query), -1))
        return x + self.ffn(self.norm2(x))  # type: ignore[no-any-return]


class ContextAttention(nn.Module):
    """Which positions of the first frame resemble each other: queries and keys for `MotionAggregator`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_qk = nn.Conv2d(channels, 2 * channels, 1, bias=False)

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, channels, h, w)`` to queries and keys ``(N, h * w, channels)``."""
        query, key = self.to_qk(context).flatten(2).transpose(1, 2).chunk(2, -1)
        return query, key


class MotionAggregator(nn.Module):
    """Adds to every position's motion that of positions that resemble it (GMA, arXiv 2104.02409)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.to_v = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, motion: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """Motion ``(N, channels, h, w)``, queries and keys ``(N, h * w, channels)``; shape of ``motion``."""
        value = self.to_v(motion).flatten(2).transpose(1, 2)
        gathered = attend(query, key, value.to(query.dtype), heads=1)
        return motion + self.gamma * gathered.transpose(1, 2).view_as(motion)


class GlobalUpdateBlock(UpdateBlock):
    """RAFT's update with the motion of similar positions beside each position's own."""

    def __init__(self, width: int) -> None:
        super().__init__(width + LOOKUP, width=width, motions=2)
        self.aggregator = MotionAggregator(2 * width)

    def forward(  # type: ignore[override]
        self,
        hidden: Tensor,
        context: Tensor,
        correlation: Tensor,
        flow: Tensor,
        attention: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """The next hidden state and the increment ``(N, 2, h, w)`` to the flow ``(N, 2, h, w)``."""
        motion = self.encoder(flow, correlation)
        gathered = self.aggregator(motion, *attention)
        hidden = self.gru(hidden, torch.cat((context, motion, gathered), 1))
        return hidden, self.flow_head(hidden)


class CostDecoder(nn.Module):
    """Refines the flow by asking the cost memory, again and again (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(4 * width, 4 * width, 1)
        self.att = ContextAttention(2 * width)
        self.flow_token_encoder = nn.Sequential(nn.Conv2d(LOOKUP, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))
        self.cross_attention = CostCrossAttention(width, 2 * width)
        self.update_block = GlobalUpdateBlock(width)

    def forward(
        self, costs: AllPairs, memory: Tensor, context: Tensor, *, iterations: int, initial: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The flow, as `FlowFormer.flow` returns it.

        Args:
            costs: inner products of all pairs of positions.
            memory: the cost memory ``(N * h * w, 8, C)``.
            context: features of the first frame ``(N, 2 * C, h, w)``.
            iterations: how often to refine.
            initial: the estimate to start from ``(N, 2, h, w)``, or None for zero.
        """
        n, _, h, w = context.shape
        hidden, inputs = self.proj(context).chunk(2, 1)
        hidden, inputs = torch.tanh(hidden), torch.relu(inputs)
        attention = self.att(inputs)
        key, value = self.cross_attention.k(memory), self.cross_attention.v(memory)
        grid = pixel_grid(h, w, context.device)
        flow = grid.new_zeros(n, 2, h, w) if initial is None else initial.float()
        for _ in range(iterations):
            target = grid + flow
            found = costs.lookup(target, radius=RADIUS)
            query = self.flow_token_encoder(found).permute(0, 2, 3, 1).flatten(0, 2)[:, None]
            answer = self.cross_attention(query, key, value, target.permute(0, 2, 3, 1).reshape(-1, 1, 2))
            answer = answer.view(n, h, w, -1).permute(0, 3, 1, 2)
            hidden, increment = self.update_block(hidden, inputs, torch.cat((answer, found), 1), flow, attention)
            flow = flow + increment
        return self.update_block.upsample(flow, hidden), flow


class FlowFormer(nn.Module):
    """Optical flow by a transformer over the cost volume, in the configuration of the Sintel checkpoint.

    Args:
        width: channels of the first stage of its image encoders; all others are in proportion.
        iterations: how often the flow is refined.
    """

    def __init__(self, *, width: int = 128, iterations: int = 32) -> None:
        super().__init__()
        self.iterations = iterations
        self.context_encoder = Twins(width=width)
        self.feature_encoder = Twins(width=width)
        self.channel_convertor = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.cost_encoder = CostEncoder(width)
        self.decoder = CostDecoder(width // 2)

    def encode(self, frame: Tensor) -> FrameFeatures:
        """The features of RGB frames ``(N, 3, H, W)`` in [0, 1]; H and W are multiples of 8."""
        frame = 2 * frame - 1
        quarter, eighth = self.context_encoder(frame)
        matching = self.channel_convertor(self.feature_encoder(frame)[1])
        return FrameFeatures(matching.float(), eighth, quarter, eighth)

    def cost_memory(self, first: FrameFeatures, second: FrameFeatures) -> tuple[AllPairs, Tensor]:
        """The costs from ``first`` to ``second`` and their memory (see `CostEncoder`)."""
        costs = AllPairs.of(first.matching, second.matching, levels=1, normalize=False)
        return costs, self.cost_encoder(costs, first.context)

    def flow(
        self,
        first: FrameFeatures,
        second: FrameFeatures,
        *,
        iterations: int | None = None,
        initial: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The flow from ``first`` to ``second``; arguments and results as those of RAFT's `flow`."""
        costs, memory = self.cost_memory(first, second)
        iterations = self.iterations if iterations is None else iterations
        return self.decoder(costs, memory, first.context, iterations=iterations, initial=initial)  # type: ignore[no-any-return]

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels between RGB frames ``(N, 3, H, W)`` in [0, 1]."""
        return self.flow(self.encode(first), self.encode(second))[0]


def build(shapes: Shapes) -> FlowFormer:
    """The network whose state dict has these shapes."""
    return FlowFormer(width=shapes["context_encoder.patch_embeds.0.proj.weight"][0])
