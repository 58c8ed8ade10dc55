"""The flow network of M2M: a small PWC-Net whose cost is a distance. Both directions are one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.blocks import in_float32
from vsvfi.nets.geometry import resize
from vsvfi.ops import backward_warp

__all__ = ["FlowNetwork", "distances", "other"]

RADIUS = 4


def other(x: Tensor) -> Tensor:
    """For a batch ``(2 N, ...)`` of one side after the other: what the opposite side has."""
    return torch.cat(x.chunk(2)[::-1])


def distances(first: Tensor, second: Tensor) -> Tensor:
    """The mean absolute difference of features ``(N, C, H, W)``, for shifts of the second up to 4 pixels.

    Returns:
        ``(N, 81, H, W)``, dy slow and dx fast from -4 to 4, fp32; the second counts as 0 outside.
    """
    height, side = first.shape[2], 2 * RADIUS + 1
    padded = functional.pad(second.float(), (RADIUS,) * 4)
    here = first.float()[..., None]
    rows = [(here - padded[:, :, dy : dy + height].unfold(3, side, 1)).abs().mean(1) for dy in range(side)]
    return torch.stack(rows, 1).permute(0, 1, 4, 2, 3).flatten(1, 2)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="replicate")


class FlowNetwork(nn.Module):
    """Flow at half the size of the frames it is given, coarse to fine over five levels.

    Args:
        width: channels of the features; the decoders' are in proportion.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.extractor = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(channels, width, 2, 2), nn.PReLU()),
                *(_conv(width, width), nn.PReLU()),
                *(_conv(width, width), nn.PReLU()),
            )
            for channels in (3, width, width)
        )
        self.decoders = nn.ModuleList(
            self._decoder(width + (2 * RADIUS + 1) ** 2 + more, width) for more in (0, 2, 2, 2, 2)
        )

    @staticmethod
    def _decoder(channels: int, width: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for after in (4 * width, 4 * width, 3 * width, 2 * width, width):
            layers += [_conv(channels, after), nn.PReLU()]
            channels = after
        return nn.Sequential(*layers, _conv(channels, 2))

    def levels(self, images: Tensor) -> list[Tensor]:
        """The flows ``(2 N, 2, h, w)`` of all levels, coarsest first, each in pixels of its level, fp32.

        Args:
            images: ``(2 N, 3, H, W)``, the first frames and then the second; H and W are multiples of 32.
        """
        features = [images]
        for level in self.extractor:
            features.append(level(features[-1]))
        for _ in range(2):
            features.append(functional.avg_pool2d(features[-1], 2))
        flows: list[Tensor] = []
        for decoder, own in zip(self.decoders, reversed(features[1:]), strict=True):
            flow = 2 * resize(flows[-1], 2) if flows else None
            flows.append(self._decode(decoder, own, flow))
        return flows

    @staticmethod
    def _decode(decoder: nn.Module, own: Tensor, flow: Tensor | None) -> Tensor:
        assert isinstance(decoder, nn.Sequential)
        far = other(own)
        if flow is not None:
            far = backward_warp(far, flow, border="zeros")
        cost = distances(own, far)
        x = torch.cat((own.float(), cost) if flow is None else (own.float(), cost, flow), 1)
        residual = in_float32(decoder[-1], decoder[:-1](x))
        return residual if flow is None else flow + residual
