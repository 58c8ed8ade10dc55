"""IFNet, the network of RIFE 4 (after Huang et al., ECCV 2022).

A handful of blocks refine the flow from the new frame to both given ones, coarse to fine: each sees the frames
warped by the flow so far, at a reduced size, and adds to the flow. Time enters as a constant plane.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from vsvfi.nets.fused import ConvActivation, in_dtype
from vsvfi.nets.geometry import resize
from vsvfi.nets.ifnet.architecture import Architecture, Head
from vsvfi.ops import backward_warp

__all__ = ["Estimate", "FramePair", "IFNet"]

_LARGE_MOTION = 32


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames ``(N, 3, H, W)`` and what the head makes of them ``(N, C, H, W)``, C = 0 without a head."""

    frame0: Tensor
    frame1: Tensor
    features0: Tensor
    features1: Tensor

    def expand(self, count: int) -> FramePair:
        """The pair once for each of ``count`` timesteps."""
        return FramePair(
            *(x.expand(count, -1, -1, -1) for x in (self.frame0, self.frame1, self.features0, self.features1))
        )

    def swap(self) -> FramePair:
        """The pair backwards in time."""
        return FramePair(self.frame1, self.frame0, self.features1, self.features0)

    def warp(self, flow: Tensor) -> FramePair:
        """Frames and features seen at the new frame's time, for flow ``(N, 4, H, W)`` towards both frames."""
        count = self.frame0.shape[1]
        warped0 = backward_warp(torch.cat((self.frame0, self.features0.to(self.frame0)), 1), flow[:, 0:2])
        warped1 = backward_warp(torch.cat((self.frame1, self.features1.to(self.frame1)), 1), flow[:, 2:4])
        return FramePair(warped0[:, :count], warped1[:, :count], warped0[:, count:], warped1[:, count:])


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a block gives: flow ``(N, 4, H, W)``, mask logit ``(N, 1, H, W)``, and features for the next block."""

    flow: Tensor
    mask: Tensor
    features: Tensor

    def swap(self) -> Estimate:
        """The same, backwards in time."""
        return Estimate(_swap_flow(self.flow), -self.mask, self.features)


def _swap_flow(flow: Tensor) -> Tensor:
    return torch.cat((flow[:, 2:4], flow[:, 0:2]), 1)


class ResConv(nn.Module):
    """A residual convolution with a learned gain a channel."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        return nn.functional.leaky_relu(self.conv(x) * self.beta + x, 0.2)

    def fused(self, dtype: torch.dtype) -> FusedResConv:
        """The same in two passes, the gain within the weights."""
        return FusedResConv(self, dtype)


class FusedResConv(nn.Module):
    """`ResConv` made ready to run."""

    def __init__(self, block: ResConv, dtype: torch.dtype) -> None:
        super().__init__()
        scaled = copy.deepcopy(block.conv).requires_grad_(False)
        scaled.weight.mul_(block.beta.detach().view(-1, 1, 1, 1))
        assert scaled.bias is not None
        scaled.bias.mul_(block.beta.detach().flatten())
        self.conv = ConvActivation(scaled, 0.2, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        return self.conv(x, x)  # type: ignore[no-any-return]


def _conv(channels_in: int, channels_out: int, stride: int, prelu: bool) -> nn.Sequential:
    activation = nn.PReLU(channels_out) if prelu else nn.LeakyReLU(0.2)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, stride, 1), activation)


class IFBlock(nn.Module):
    """Estimates flow, or an increment of it, at ``1 / scale`` of the frames' size."""

    def __init__(self, channels_in: int, width: int, architecture: Architecture) -> None:
        super().__init__()
        conv = partial(_conv, prelu=architecture.style == "prelu")
        self.conv0 = nn.Sequential(conv(channels_in, width // 2, 2), conv(width // 2, width, 2))
        self.lastconv: nn.Module
        if architecture.style == "residual":
            self.convblock = nn.Sequential(*(ResConv(width, architecture.groups) for _ in range(8)))
            self.lastconv = nn.Sequential(
                nn.ConvTranspose2d(width, 4 * architecture.outputs, 4, 2, 1), nn.PixelShuffle(2)
            )
        else:
            self.convblock = nn.Sequential(*(conv(width, width, 1) for _ in range(8)))
            self.lastconv = nn.ConvTranspose2d(width, architecture.outputs, 4, 2, 1)
        self.skip = architecture.style == "prelu"
        # The older blocks' result is half as large as their input.
        self.enlarge = 1 if architecture.style == "residual" else 2

    def forward(self, x: Tensor, flow: Tensor | None, scale: float) -> Estimate:
        """From inputs ``(N, C, H, W)``, and the flow so far ``(N, 4, H, W)`` where there is one."""
        x = resize(x, 1 / scale)
        if flow is not None:
            x = torch.cat((x, resize(flow, 1 / scale) / scale), 1)
        x = self.conv0(x)
        x = self.convblock(x) + x if self.skip else self.convblock(x)
        up = self.enlarge * scale
        result = resize(self.lastconv(x).float(), up)
        return Estimate(result[:, :4] * up, result[:, 4:5], result[:, 5:])


class ClampedHead(nn.Module):
    """The encoder of single frames from 4.13 on."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, width, 3, 2, 1)
        self.cnn1 = nn.Conv2d(width, width, 3, 1, 1)
        self.cnn2 = nn.Conv2d(width, width, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(width, channels, 4, 2, 1)

    def forward(self, frame: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, channels, H, W)``."""
        x = frame.clamp(0, 1)
        for conv in (self.cnn0, self.cnn1, self.cnn2):
            x = nn.functional.leaky_relu(conv(x), 0.2)
        return self.cnn3(x)  # type: ignore[no-any-return]

    def fused(self, dtype: torch.dtype) -> nn.Module:
        """The same with bias and rectifier in one pass."""
        layers = [ConvActivation(conv, 0.2, dtype) for conv in (self.cnn0, self.cnn1, self.cnn2)]
        return nn.Sequential(nn.Hardtanh(0, 1), *layers, in_dtype(copy.deepcopy(self.cnn3), dtype))


def _head(head: Head | None) -> nn.Module | None:
    if head is None:
        return None
    if head.kind == "clamped":
        return ClampedHead(head.width, head.channels)
    first, last = nn.Conv2d(3, head.width, 3, 2, 1), nn.ConvTranspose2d(head.width, head.channels, 4, 2, 1)
    if head.kind == "linear":
        return nn.Sequential(first, last)
    inner = (nn.Conv2d(head.width, head.width, 3, 1, 1) for _ in range(2))
    layers = [layer for conv in (first, *inner) for layer in (conv, nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers, last)


class IFNet(nn.Module):
    """The network of a version of RIFE 4."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        head_channels = architecture.head.channels if architecture.head else 0
        # Frames, their features and time; then mask, what is fed on, and flow as well.
        first = 7 + 2 * head_channels
        later = first + 1 + architecture.fed_on + 4
        self.blocks = nn.ModuleList(
            IFBlock(later if index else first, width, architecture) for index, width in enumerate(architecture.widths)
        )
        self.head = _head(architecture.head)

    def encode(self, frame: Tensor) -> Tensor:
        """What depends on one frame ``(N, 3, H, W)`` alone, without channels where the version has no head."""
        return frame[:, :0] if self.head is None else self.head(frame)

    def prepare(self, frame0: Tensor, frame1: Tensor, features0: Tensor, features1: Tensor) -> FramePair:
        """Two frames ``(1, 3, H, W)`` and their features, ready for `synthesize`."""
        return FramePair(frame0.clamp(0, 1), frame1.clamp(0, 1), features0, features1)

    def synthesize(
        self, state: FramePair, timesteps: Tensor, *, flow_scale: float = 1.0, ensemble: bool = False
    ) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``.

        Args:
            state: from `prepare`.
            timesteps: in (0, 1).
            flow_scale: the size at which motion is estimated, relative to the usual one.
            ensemble: average every block's estimate with that for exchanged frames.
        """
        scales = [scale / flow_scale for scale in self.architecture.scales]
        synthesize = partial(self._synthesize, state, scales=scales, ensemble=ensemble)
        if self.architecture.style == "prelu":
            # Each timestep may take other scales.
            return torch.cat([synthesize(timestep) for timestep in timesteps.view(-1, 1)])
        return synthesize(timesteps)

    def _synthesize(
        self, state: FramePair, timesteps: Tensor, *, scales: list[float], ensemble: bool, doubled: bool = False
    ) -> Tensor:
        given = state.expand(len(timesteps))
        height, width = given.frame0.shape[2:]
        time = timesteps.to(given.frame0).view(-1, 1, 1, 1).expand(-1, 1, height, width)
        so_far: Estimate | None = None
        for index, (block, scale) in enumerate(zip(self.blocks, scales, strict=True)):
            seen = given if so_far is None else given.warp(so_far.flow)
            estimate = self._estimate(block, seen, time, so_far, scale)
            if self.architecture.style == "prelu" and index == 1 and not doubled and _is_large(estimate.flow):
                return self._synthesize(
                    state, timesteps, scales=[2 * scale for scale in scales], ensemble=ensemble, doubled=True
                )
            # The reference starts again without the first average.
            if ensemble and not (doubled and index == 0):
                backwards = so_far.swap() if so_far else None
                other = self._estimate(block, seen.swap(), 1 - time, backwards, scale).swap()
                estimate = replace(
                    estimate, flow=(estimate.flow + other.flow) / 2, mask=(estimate.mask + other.mask) / 2
                )
            if so_far is not None:
                # Without a head (up to 4.6) the mask adds up as the flow does; later it is replaced.
                mask = estimate.mask if self.architecture.head else so_far.mask + estimate.mask
                estimate = replace(estimate, flow=so_far.flow + estimate.flow, mask=mask)
            so_far = estimate
        assert so_far is not None
        weight = torch.sigmoid(so_far.mask)
        warped0 = backward_warp(given.frame0, so_far.flow[:, 0:2])
        warped1 = backward_warp(given.frame1, so_far.flow[:, 2:4])
        return warped0 * weight + warped1 * (1 - weight)

    def _estimate(
        self, block: nn.Module, seen: FramePair, time: Tensor, so_far: Estimate | None, scale: float
    ) -> Estimate:
        inputs = [seen.frame0, seen.frame1, seen.features0, seen.features1, time]
        if so_far is not None:
            inputs += [so_far.mask, so_far.features[:, : self.architecture.fed_on]]
        return block(torch.cat(inputs, 1), so_far.flow if so_far else None, scale)  # type: ignore[no-any-return]

    def forward(
        self,
        frame0: Tensor,
        frame1: Tensor,
        timesteps: Tensor,
        *,
        flow_scale: float = 1.0,
        ensemble: bool = False,
    ) -> Tensor:
        """The frames at ``timesteps`` ``(T,)`` between two frames ``(1, 3, H, W)``; see `synthesize`."""
        state = self.prepare(frame0, frame1, self.encode(frame0), self.encode(frame1))
        return self.synthesize(state, timesteps, flow_scale=flow_scale, ensemble=ensemble)


def _is_large(flow: Tensor) -> bool:
    return bool(flow[:, 0:2].abs().amax() > _LARGE_MOTION) and bool(flow[:, 2:4].abs().amax() > _LARGE_MOTION)
