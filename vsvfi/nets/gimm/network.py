"""Generalizable Implicit Motion Modeling (section 3 of arXiv 2407.08680).

The flows between two frames are encoded into latents, splatted to the wanted time, and read out by a coordinate
network that is a function of place and time. All of it is in fp32: its result is a flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv
from vsvfi.ops import backward_warp, forward_splat

__all__ = ["CoordinateNetwork", "EndpointMotion", "ImplicitMotion", "build", "create", "example"]

CHUNK = 2**18
"""How many positions the coordinate network reads at a time: 128 MB for each of its layers."""


@dataclass(frozen=True, slots=True)
class EndpointMotion:
    """What does not depend on the time, for B pairs of frames.

    ``flows`` ``(B, 2, H, W)`` from frame 0 to 1 and from 1 to 0, in pixels; ``scale`` ``(B, 1, 1, 1)`` the largest
    of their components; ``weights`` ``(B, 1, H, W)`` how much a pixel counts where several are splatted to one
    place; ``latents`` ``(B, width, H, W)``.
    """

    flows: tuple[Tensor, Tensor]
    scale: Tensor
    weights: tuple[Tensor, Tensor]
    latents: tuple[Tensor, Tensor]

    def expand(self, count: int) -> EndpointMotion:
        """The same for ``count`` timesteps of one pair; unchanged where B is ``count``."""

        def both(tensors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return tensors[0].expand(count, -1, -1, -1), tensors[1].expand(count, -1, -1, -1)

        scale = self.scale.expand(count, -1, -1, -1)
        return EndpointMotion(both(self.flows), scale, both(self.weights), both(self.latents))


class LateralBlock(nn.Module):
    """``x + conv(leaky(conv(x)))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(channels, channels), nn.LeakyReLU(0.1), conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x + self.layers(x)  # type: ignore[no-any-return]


class CoordinateNetwork(nn.Module):
    """An MLP with sines between its layers, from a latent, a time and a place to a normalised motion.

    ``layers`` are matrices whose last row is the bias; the columns of the other rows are used at unit length.
    ``chunk`` is how many positions are evaluated at a time.
    """

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        widths = (latent + 3, hidden, hidden, hidden, hidden, 2)
        self.chunk = CHUNK
        self.layers = nn.ParameterList(torch.randn(inputs + 1, outputs) for inputs, outputs in pairwise(widths))

    def forward(self, latent: Tensor, timesteps: Tensor) -> Tensor:
        """The motion at every position.

        Args:
            latent: ``(T, C, H, W)``.
            timesteps: ``(T,)`` in [0, 1].

        Returns:
            ``(T, 2, H, W)``, about 0.5 where there is no motion.
        """
        count, _, height, width = latent.shape
        matrices = [(functional.normalize(layer[:-1], dim=0), layer[-1]) for layer in self.layers]
        y, x = (2 * (torch.arange(n, device=latent.device) + 0.5) / n - 1 for n in (height, width))
        rows = max(1, self.chunk // (count * width))
        tiles = []
        for top in range(0, height, rows):
            tile = latent[:, :, top : top + rows].permute(0, 2, 3, 1)
            size = tile.shape[:3]
            place = (
                timesteps.view(-1, 1, 1).expand(size),
                y[top : top + rows].view(1, -1, 1).expand(size),
                x.expand(size),
            )
            hidden = torch.cat((tile, torch.stack(place, -1)), -1)
            for index, (weight, bias) in enumerate(matrices):
                hidden = (hidden.sin() if index else hidden) @ weight + bias
            tiles.append(hidden)
        return torch.cat(tiles, 1).permute(0, 3, 1, 2) + 0.5


class ImplicitMotion(nn.Module):
    """The flow at any time between two frames from the flows between them.

    Args:
        width: channels of a frame's latents; all others are in proportion.
    """

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        self.g_filter: Tensor
        binomial = torch.tensor((0.25, 0.5, 0.25))
        self.register_buffer("g_filter", torch.outer(binomial, binomial).view(1, 1, 1, 3, 3))
        self.alpha_v = nn.Parameter(torch.ones(1))
        self.alpha_fe = nn.Parameter(torch.ones(1))
        self.encoder = nn.Sequential(
            conv(2, width),
            conv(width, 2 * width),
            nn.LeakyReLU(0.1),
            *(LateralBlock(2 * width) for _ in range(3)),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * width, width, 3, 1, 1, padding_mode="reflect"),
        )
        self.refiner = nn.Sequential(
            conv(4 * width, 2 * width),
            conv(2 * width, 4 * width),
            nn.LeakyReLU(0.1),
            LateralBlock(4 * width),
            nn.LeakyReLU(0.1),
            nn.Conv2d(4 * width, 2 * width, 3, 1, 1, padding_mode="reflect"),
        )
        self.coordinate_network = CoordinateNetwork(2 * width, 8 * width)

    def encode(self, flow01: Tensor, flow10: Tensor) -> EndpointMotion:
        """What is common to all times, from the flows ``(B, 2, H, W)`` in pixels; H and W are at least 2."""
        flow01, flow10 = flow01.float(), flow10.float()
        with torch.autocast(flow01.device.type, enabled=False):
            # Frames without any motion have no scale: any will do.
            largest = torch.maximum(flow01.abs(), flow10.abs()).amax((1, 2, 3), keepdim=True)
            scale = largest.clamp_min(torch.finfo(torch.float32).tiny)
            # Both motions point along time.
            latents = (self.encoder((flow01 / scale + 1) / 2), self.encoder((-flow10 / scale + 1) / 2))
            weights = (self._weight(flow01, flow10), self._weight(flow10, flow01))
        return EndpointMotion((flow01, flow10), scale, weights, latents)

    def _weight(self, flow: Tensor, opposite: Tensor) -> Tensor:
        """High where the flow is smooth and the opposite flow returns it (section 3.2)."""
        padded = functional.pad(flow, (1, 1, 1, 1), mode="reflect")
        kernel = self.g_filter.view(1, 1, 3, 3).expand(2, -1, -1, -1)
        mean = functional.conv2d(padded, kernel, groups=2)
        variance = functional.conv2d(padded**2, kernel, groups=2) - mean**2
        deviation = variance.clamp_min(1e-9).sqrt().mean(1, keepdim=True)
        error = (flow + backward_warp(opposite, flow)).abs().mean(1, keepdim=True)
        return 1 / (1 + error * self.alpha_fe) + 1 / (1 + deviation * self.alpha_v)

    def forward(
        self, motion: EndpointMotion, timesteps: Tensor, size: tuple[int, int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The motion at ``timesteps``, one for each pair or any number for one pair.

        Args:
            motion: of B pairs of frames.
            timesteps: ``(T,)`` in [0, 1]; T = B, or any where B is 1.
            size: height and width of the grid that is read out; by default that of the flows.

        Returns:
            the normalised motion ``(T, 2, h, w)`` in about [0, 1], and the flow ``(T, 2, h, w)`` over the whole
            interval from frame 0 to frame 1 that the pixels of the new frame follow, in pixels of the given flows.
        """
        motion = motion.expand(len(timesteps))
        t = timesteps.view(-1, 1, 1, 1)
        with torch.autocast(timesteps.device.type, enabled=False):
            moved = torch.cat(
                [
                    forward_splat(latent, flow * part, mode="linear", metric=weight, epsilon="zero")
                    for latent, flow, part, weight in zip(
                        motion.latents, motion.flows, (t, 1 - t), motion.weights, strict=True
                    )
                ],
                1,
            )
            latent = moved + self.refiner(torch.cat((*motion.latents, moved), 1))
            if size is not None and size != latent.shape[-2:]:
                latent = functional.interpolate(latent, size, mode="bilinear", align_corners=False)
            normalized = self.coordinate_network(latent, timesteps)
        return normalized, (2 * normalized - 1) * motion.scale


def build(shapes: Shapes) -> ImplicitMotion:
    """The network whose state dict has these shapes."""
    return ImplicitMotion(width=shapes["encoder.0.weight"][0])


def create(_name: str) -> ImplicitMotion:
    """The untrained network at its published size."""
    return ImplicitMotion()


def example(_name: str) -> ImplicitMotion:
    """A very small untrained network."""
    return ImplicitMotion(width=4)
