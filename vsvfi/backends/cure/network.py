"""CURE (Shangguan et al., ECCV 2022, arXiv 2203.00137).

Features of both frames are warped to the wanted time along both flows, fused, and read by an MLP that gives the
colour of every pixel from its place, the time and the features around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.models.padding import padding
from vsvfi.nets.blocks import ResidualBlock, conv
from vsvfi.nets.raft.network import RAFT, FrameFeatures

__all__ = ["CURE", "CUREState", "Frame", "build", "create", "example"]

CHUNK = 2**18
"""How many pixels the neural representation colours at a time: 256 MB for each of its layers."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Features of a frame: ``(B, C, H, W)``, and the flow estimator's."""

    features: Tensor
    matching: FrameFeatures


@dataclass(frozen=True, slots=True)
class CUREState:
    """Features of both frames ``(B, C, H, W)`` and the flows between them ``(B, 2, H, W)``.

    The flows, from frame 0 to 1 and back, are in half image sizes less one pixel: x / ((W - 1) / 2).
    """

    features: tuple[Tensor, Tensor]
    flows: tuple[Tensor, Tensor]


class FeatureEncoder(nn.Module):
    """EDSR (arXiv 1707.02921) without its upsampling: features of a frame at full size."""

    def __init__(self, channels: int, blocks: int = 8) -> None:
        super().__init__()
        self.head = conv(3, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)), conv(channels, channels))

    def forward(self, frame: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, channels, H, W)``."""
        head: Tensor = self.head(frame)
        return head + self.body(head)  # type: ignore[no-any-return]


class Contraction(nn.Module):
    """Halves the size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 2, 1, padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H / 2), ceil(W / 2))``."""
        return torch.relu(self.conv(x))


class Expansion(nn.Module):
    """Brings ``x`` to the size of ``skip`` and joins them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 1, 1, padding_mode="replicate")

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(N, out_channels, H, W)``, the size of ``skip``."""
        x = functional.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
        return torch.relu(self.conv(torch.cat((x, skip), 1)))


class Fuser(nn.Module):
    """A U-Net over the four warped features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc1 = Contraction(4 * width, 4 * width)
        self.enc2 = Contraction(4 * width, 8 * width)
        self.enc3 = Contraction(8 * width, 16 * width)
        self.enc4 = Contraction(16 * width, 16 * width)
        self.dec1 = Expansion((16 + 16) * width, 16 * width)
        self.dec2 = Expansion((16 + 8) * width, 8 * width)
        self.dec3 = Expansion((8 + 4) * width, 4 * width)
        self.dec4 = Expansion((4 + 4) * width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 4 * width, H, W)`` to ``(N, 2 * width, H, W)``."""
        half = self.enc1(x)
        quarter = self.enc2(half)
        eighth = self.enc3(quarter)
        up = self.dec1(self.enc4(eighth), eighth)
        return self.dec4(self.dec3(self.dec2(up, quarter), half), x)  # type: ignore[no-any-return]


class NeuralRepresentation(nn.Module):
    """The colour of a pixel from its place, the time, and the features of the 3x3 pixels around it.

    An MLP that sees the features at three of its layers. A linear layer over a 3x3 neighbourhood is a convolution,
    and is computed as one, so that the neighbourhoods are never copied out. ``chunk`` is how many pixels are
    evaluated at a time.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.chunk = CHUNK
        around = 9 * channels
        sizes = [3 + around, hidden, around + hidden, hidden, around + hidden, hidden]
        widths = [hidden] * 5 + [3]
        modules: list[nn.Module] = []
        for inputs, outputs in zip(sizes, widths, strict=True):
            modules += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*modules[:-1])

    def forward(self, features: Tensor, timesteps: Tensor) -> Tensor:
        """Colours ``(T, 3, W, H)``.

        Args:
            features: ``(T, channels, W + 2, H + 2)``, one pixel more on every side.
            timesteps: ``(T,)``.
        """
        count, width, height = len(features), features.shape[2] - 2, features.shape[3] - 2
        x = 2 * torch.arange(width, device=features.device) / (width - 1) - 1
        y = 2 * torch.arange(height, device=features.device) / (height - 1) - 1
        columns = max(1, self.chunk // (count * height))
        tiles = []
        for left in range(0, width, columns):
            xs = x[left : left + columns]
            size = (count, len(xs), height)
            place = (y.expand(size), xs[:, None].expand(size), timesteps.view(-1, 1, 1).expand(size))
            tiles.append(self._colours(torch.stack(place, 1), features[:, :, left : left + columns + 2]))
        return torch.cat(tiles, 2)

    def _colours(self, place: Tensor, features: Tensor) -> Tensor:
        """Colours at ``place`` ``(T, 3, W', H)`` (y, x and t); the features have one pixel more on every side."""
        first, second, third, fourth, fifth, last = (layer for layer in self.layers if isinstance(layer, nn.Linear))
        channels = features.shape[1]
        seen = 9 * channels

        def around(weight: Tensor) -> Tensor:
            return functional.conv2d(features, weight.reshape(-1, channels, 3, 3))

        def pixelwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return functional.conv2d(x, weight[:, :, None, None], bias)

        # In half precision, neighbouring pixels of a large frame would have the same coordinates.
        with torch.autocast(place.device.type, enabled=False):
            located = pixelwise(place, first.weight[:, :3], first.bias)
        a = torch.relu(located + around(first.weight[:, 3:]))
        a = torch.relu(pixelwise(a, second.weight, second.bias))
        a = torch.relu(around(third.weight[:, :seen]) + pixelwise(a, third.weight[:, seen:], third.bias))
        a = torch.relu(pixelwise(a, fourth.weight, fourth.bias))
        a = torch.relu(around(fifth.weight[:, :seen]) + pixelwise(a, fifth.weight[:, seen:], fifth.bias))
        return pixelwise(a, last.weight, last.bias)


class CURE(nn.Module):
    """The frame at any time between two frames.

    Args:
        width: channels of the features of a frame; all others are in proportion.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.feature_encoder = FeatureEncoder(width)
        self.flow_estimator = RAFT(width=width, iterations=50)
        self.fuser = Fuser(width)
        self.representation = NeuralRepresentation(2 * width, 4 * width)

    def encode(self, frame: Tensor) -> Frame:
        """The features of a frame ``(N, 3, H, W)`` in [0, 1], H and W at least 64."""
        left, right, top, bottom = _margins(frame)
        padded = functional.pad(frame, (left, right, top, bottom), mode="replicate")
        return Frame(self.feature_encoder(2 * frame - 1), self.flow_estimator.encode(padded))

    def prepare(self, first: Frame, second: Frame) -> CUREState:
        """The flows between two frames, in both directions."""
        height, width = first.features.shape[-2:]
        left, _, top, _ = _margins(first.features)
        half = first.features.new_tensor(((width - 1) / 2, (height - 1) / 2), dtype=torch.float32)
        flows = [
            self.flow_estimator.flow(a.matching, b.matching)[0][..., top : top + height, left : left + width]
            / half[:, None, None]
            for a, b in ((first, second), (second, first))
        ]
        return CUREState((first.features, second.features), (flows[0], flows[1]))

    def fuse(self, state: CUREState, timesteps: Tensor) -> Tensor:
        """The fused features at ``timesteps`` ``(T,)``, transposed: ``(T, 2 * C, W + 2, H + 2)``.

        Checkpoints were trained on transposed maps: the rows of every kernel lie along x.
        """
        t = timesteps.view(-1, 1, 1, 1)
        flow01, flow10 = state.flows
        shifts = (
            (state.features[0], -t * flow01),
            (state.features[0], t * flow10),
            (state.features[1], (1 - t) * flow01),
            (state.features[1], -(1 - t) * flow10),
        )
        warped = torch.cat([_sample(features.expand(len(t), -1, -1, -1), shift) for features, shift in shifts], 1)
        return self.fuser(functional.pad(warped.transpose(2, 3), (1, 1, 1, 1), mode="reflect"))  # type: ignore[no-any-return]

    def synthesize(self, state: CUREState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps``: one for each of B pairs, or any number for one pair."""
        colours: Tensor = self.representation(self.fuse(state, timesteps), timesteps).float()
        return (0.5 * colours + 0.5).clamp(0, 1).transpose(2, 3)

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor) -> Tensor:
        """The frames at ``timesteps`` ``(T,)`` between ``(B, 3, H, W)`` in [0, 1]."""
        return self.synthesize(self.prepare(self.encode(frame0), self.encode(frame1)), timesteps)


def _margins(frame: Tensor) -> tuple[int, int, int, int]:
    """Left, right, top and bottom padding to the multiples of 8 that the flow estimator takes."""
    height, width = frame.shape[-2:]
    return *padding(width, multiple=8, where="center"), *padding(height, multiple=8, where="center")


def _sample(features: Tensor, shift: Tensor) -> Tensor:
    """``features`` read at every pixel's centre plus ``shift`` in half image sizes, mirrored at the border.

    The shift was divided by (W - 1) / 2 and is applied as if by W / 2: that is how the checkpoint was trained.
    """
    height, width = features.shape[-2:]
    x = (2 * torch.arange(width, device=shift.device) + 1) / width - 1
    y = (2 * torch.arange(height, device=shift.device) + 1) / height - 1
    grid = shift.permute(0, 2, 3, 1) + torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
    with torch.autocast(features.device.type, enabled=False):
        sampled: Tensor = functional.grid_sample(features.float(), grid, padding_mode="reflection", align_corners=False)
    return sampled


def build(shapes: Shapes) -> CURE:
    """The network whose state dict has these shapes."""
    return CURE(width=shapes["feature_encoder.head.weight"][0])


def create(_name: str) -> CURE:
    """The untrained network at its published size."""
    return CURE()


def example(name: str) -> CURE:
    """A very small untrained network."""
    del name
    return CURE(width=4)
