"""What every operator shares: checks of its arguments, and sampling in plain torch for the references."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["accumulator", "check", "gather", "inside", "position", "shift"]


def check(operator: str, **tensors: tuple[Tensor, tuple[int | None, ...]]) -> None:
    """Check each named tensor against its expected shape (None: any size), and all against the first one's device.

    Raises:
        TypeError: an argument is no tensor, or not of a floating-point type.
        ValueError: a shape or a device does not fit; the message says what was expected and what came.
    """
    first = ""
    for name, (tensor, shape) in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{operator}: {name} must be a tensor, got {type(tensor).__name__}")
        if not tensor.is_floating_point():
            raise TypeError(f"{operator}: {name} must be of a floating-point type, got {tensor.dtype}")
        if tensor.dim() != len(shape) or any(
            b is not None and a != b for a, b in zip(tensor.shape, shape, strict=True)
        ):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{operator}: {name} must have the shape ({expected}), got {tuple(tensor.shape)}")
        first = first or name
        if tensor.device != tensors[first][0].device:
            raise ValueError(
                f"{operator}: {name} is on {tensor.device}, {first} on {tensors[first][0].device}; "
                "move them to one device"
            )


def accumulator(image: Tensor) -> torch.dtype:
    """The type in which coordinates and sums are held: float64 for a float64 image, float32 for any other."""
    return torch.float64 if image.dtype == torch.float64 else torch.float32


def shift(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel's flow vector points: x and y, each ``(N, H, W)``."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)
    return flow[:, 0] + x, flow[:, 1] + y[:, None]


def position(value: Tensor, size: int, margin: int) -> Tensor:
    """Clamp a coordinate to ``margin`` pixels outside an axis, so that it fits an integer; NaN counts as far left."""
    return torch.nan_to_num(value, nan=-margin, posinf=None, neginf=None).clamp(-margin, size - 1 + margin)


def inside(x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Which integer positions lie inside an image of ``size`` (height, width)."""
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def gather(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The pixels of ``image`` at integer positions ``(N, H', W')``, clamped to it: ``(N, C, H', W')``."""
    channels, height, width = image.shape[1:]
    index = y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
    flat = index.flatten(1)[:, None].expand(-1, channels, -1)
    return image.flatten(2).gather(2, flat).reshape(*image.shape[:2], *index.shape[1:])
