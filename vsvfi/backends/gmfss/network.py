"""GMFSS Fortuna, union and base: no paper. Flow and splatting work at half the size; the last layers double it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vsvfi.backends.gmfss.fusion import GridNet
from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, in_float32
from vsvfi.nets.geometry import resize
from vsvfi.nets.gmflow.network import FrameFeatures, GMFlow
from vsvfi.nets.ifnet.architecture import Architecture
from vsvfi.nets.ifnet.network import IFNet
from vsvfi.ops import backward_warp, forward_splat

__all__ = ["GMFSS", "Features", "Frame", "GMFSSState", "Metric", "build", "create", "example"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame at half its size ``(N, 3, h, w)``, features at 1/2, 1/4 and 1/8 of its size, and those for the flow."""

    half: Tensor
    features: tuple[Tensor, Tensor, Tensor]
    matching: FrameFeatures


@dataclass(frozen=True, slots=True)
class GMFSSState:
    """Both frames, the flows between them and the metrics of their pixels, ``(N, 2, h, w)`` and ``(N, 1, h, w)``.

    Flows are those of the halved frames, in their pixels; the one of a frame begins in it. Metrics are in [-10, 10].
    """

    frames: tuple[Frame, Frame]
    flows: tuple[Tensor, Tensor]
    metrics: tuple[Tensor, Tensor]


def _double(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions that halve the size; the activations come first, even on frames."""
    return nn.Sequential(
        nn.PReLU(), conv(in_channels, out_channels, stride=2), nn.PReLU(), conv(out_channels, out_channels)
    )


class Features(nn.Module):
    """Three levels of features of a frame, which are splatted as the frame is."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.block1 = _double(3, widths[0])
        self.block2 = _double(widths[0], widths[1])
        self.block3 = _double(widths[1], widths[2])

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A frame ``(N, 3, H, W)`` to maps of 1/2, 1/4 and 1/8 of its size."""
        half = self.block1(frame)
        quarter = self.block2(half)
        return half, quarter, self.block3(quarter)


class Metric(nn.Module):
    """How much each pixel counts where several meet, from how well the flows explain the frames."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.metric_in = conv(14, width)
        self.metric_net1, self.metric_net2, self.metric_net3 = (
            nn.Sequential(nn.PReLU(), conv(width, width)) for _ in range(3)
        )
        self.metric_out = nn.Sequential(nn.PReLU(), conv(width, 2))

    def forward(self, frames: tuple[Tensor, Tensor], flows: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The metrics ``(N, 1, H, W)`` in [-10, 10] of both frames ``(N, 3, H, W)``.

        Args:
            frames: both.
            flows: from each to the other, ``(N, 2, H, W)`` in pixels.
        """
        height, width = flows[0].shape[-2:]
        norms = torch.linalg.vector_norm(flows[0], dim=1, keepdim=True) + torch.linalg.vector_norm(
            flows[1], dim=1, keepdim=True
        )
        errors, occluded = [], []
        for side in (0, 1):
            flow, back = flows[side], flows[1 - side]
            seen = backward_warp(torch.cat((frames[1 - side].float(), back), 1), flow, border="zeros")
            errors.append(-(frames[side] - seen[:, :3]).abs().mean(1, keepdim=True))
            # A pixel whose flow there does not lead back is hidden in the other frame.
            apart = torch.linalg.vector_norm(flow + seen[:, 3:], dim=1, keepdim=True)
            occluded.append((apart > 0.01 * norms + 0.5).to(flow.dtype))
        scaled = [torch.cat((flow[:, :1] * (2 / (width - 1)), flow[:, 1:] * (2 / (height - 1))), 1) for flow in flows]
        x = self.metric_in(torch.cat((*frames, *errors, *scaled, *occluded), 1))
        for layer in (self.metric_net1, self.metric_net2, self.metric_net3):
            x = layer(x) + x
        first, second = (10 * torch.tanh(in_float32(self.metric_out, x))).chunk(2, 1)
        return first, second


class GMFSS(nn.Module):
    """The frame at any time between two frames.

    Args:
        widths: channels of the features at 1/2, 1/4 and 1/8 of the size, and of the fusion there.
        metric_width: channels of the metric's network.
        flow_channels: channels of GMFlow's features.
        flow_layers: layers of GMFlow's transformer.
        rife_widths: channels of RIFE's blocks, coarse to fine; without any, the model is the base variant.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (64, 128, 192),
        metric_width: int = 64,
        flow_channels: int = 128,
        flow_layers: int = 6,
        rife_widths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.flow = GMFlow(flow_channels, flow_layers)
        self.metric = Metric(metric_width)
        self.features = Features(widths)
        self.fusion = GridNet(widths, 9 if rife_widths else 12, head="head0" if rife_widths else "head")
        self.rife = IFNet(replace(Architecture(), widths=rife_widths)) if rife_widths else None

    def encode(self, frame: Tensor, flow_scale: float = 1.0) -> Frame:
        """What depends on one frame ``(N, 3, H, W)`` in [0, 1]; its sides times ``flow_scale`` are multiples of 64."""
        half = resize(frame, 0.5)
        return Frame(half, self.features(frame), self.flow.encode(resize(half, flow_scale)))

    def prepare(self, first: Frame, second: Frame, flow_scale: float = 1.0) -> GMFSSState:
        """What depends on the pair: flows and metrics."""
        flow01, flow10 = (
            resize(flow, 1 / flow_scale) / flow_scale for flow in self.flow.flows(first.matching, second.matching)
        )
        metrics = self.metric((first.half, second.half), (flow01, flow10))
        return GMFSSState((first, second), (flow01, flow10), metrics)

    def splat(self, state: GMFSSState, timesteps: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Both halved frames ``(T, C, h, w)`` at ``timesteps``, then their features from fine to coarse."""
        t = timesteps.view(-1, 1, 1, 1)
        sides = [self._side(state, side, way) for side, way in ((0, t), (1, 1 - t))]
        return list(zip(*sides, strict=True))

    @staticmethod
    def _side(state: GMFSSState, side: int, way: Tensor) -> list[Tensor]:
        frame, flow, metric = state.frames[side], way * state.flows[side], way * state.metrics[side]
        results = []
        for x, factor in zip((frame.half, *frame.features), (1, 1, 0.5, 0.25), strict=True):
            # From the halved frames' size at once: a quarter reads the middle of 4x4 pixels, and no others.
            moved, weighed = factor * resize(flow, factor), resize(metric, factor)
            given = x.expand(len(way), -1, -1, -1)
            results.append(forward_splat(given, moved, mode="softmax", metric=weighed))
        return results

    def synthesize(self, state: GMFSSState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` in [0, 1] at ``timesteps`` ``(T,)`` for one pair."""
        (splat0, splat1), *features = self.splat(state, timesteps)
        half0, half1 = (frame.half.expand(len(timesteps), -1, -1, -1) for frame in state.frames)
        if self.rife is None:
            images = torch.cat((half0, splat0, splat1, half1), 1)
        else:
            images = torch.cat((splat0, self.rife(half0, half1, timesteps), splat1), 1)
        frames: Tensor = self.fusion(images, [torch.cat(both, 1) for both in features])
        return frames.float().clamp(0, 1)

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, flow_scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` between two frames ``(1, 3, H, W)``; see `encode` and `synthesize`."""
        state = self.prepare(self.encode(frame0, flow_scale), self.encode(frame1, flow_scale), flow_scale)
        return self.synthesize(state, timesteps)


def build(shapes: Shapes) -> GMFSS:
    """The network whose state dict has these shapes."""
    layers = {name.split(".")[3] for name in shapes if name.startswith("flow.transformer.layers.")}
    blocks = sum(name.startswith("rife.blocks.") and name.endswith(".conv0.1.0.bias") for name in shapes)
    return GMFSS(
        widths=(
            shapes["features.block1.1.bias"][0],
            shapes["features.block2.1.bias"][0],
            shapes["features.block3.1.bias"][0],
        ),
        metric_width=shapes["metric.metric_in.bias"][0],
        flow_channels=shapes["flow.feature_flow_attn.q_proj.bias"][0],
        flow_layers=len(layers),
        rife_widths=tuple(shapes[f"rife.blocks.{index}.conv0.1.0.bias"][0] for index in range(blocks)),
    )


def create(name: str) -> GMFSS:
    """The untrained network of the model called ``name``, at its published size."""
    return GMFSS(rife_widths=Architecture().widths if name == "gmfss-union" else ())


def example(name: str) -> GMFSS:
    """A very small untrained network in the manner of the model called ``name``."""
    rife = (8, 8, 8, 8) if name == "gmfss-union" else ()
    return GMFSS(widths=(4, 6, 8), metric_width=4, flow_channels=16, rife_widths=rife)
