"""Attention over tokens and maps, as FlowFormer and its Twins-SVT backbone use it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MLP", "attend", "from_windows", "linear_sine_code", "pad_map", "to_windows"]


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head softmax attention of ``(N, L, C)`` to ``(N, S, C)``, scaled by the heads' width ** -0.5."""

    def split(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], heads, -1).transpose(1, 2)

    result = functional.scaled_dot_product_attention(split(query), split(key), split(value))
    return result.transpose(1, 2).flatten(2)


class MLP(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., channels)`` to the same shape."""
        return self.fc2(functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]


def linear_sine_code(position: Tensor, channels: int) -> Tensor:
    """Positions ``(..., 2)``, x first, as sines and cosines of ``channels / 4`` linearly spaced frequencies.

    The constant is 3.14, not pi: checkpoints were trained with it.
    """
    bands = torch.arange(channels // 4, dtype=torch.float32, device=position.device)
    x, y = (3.14 * position.float()[..., None] * bands / 200).unbind(-2)
    return torch.cat((x.sin(), x.cos(), y.sin(), y.cos()), -1)


def pad_map(x: Tensor, multiple: int) -> Tensor:
    """A map ``(N, H, W, C)`` with zeros at its right and bottom, up to multiples of ``multiple``."""
    _, h, w, _ = x.shape
    return functional.pad(x, (0, 0, 0, -w % multiple, 0, -h % multiple))


def to_windows(x: Tensor, size: int) -> Tensor:
    """A map ``(N, H, W, C)`` cut into ``(N * windows, size * size, C)``; H and W are multiples of ``size``."""
    n, h, w, c = x.shape
    cut = x.view(n, h // size, size, w // size, size, c).transpose(2, 3)
    return cut.reshape(-1, size * size, c)


def from_windows(windows: Tensor, size: int, height: int, width: int) -> Tensor:
    """The inverse of `to_windows`, cropped to a map ``(N, height, width, C)``."""
    rows, columns = -(-height // size), -(-width // size)
    joined = windows.view(-1, rows, columns, size, size, windows.shape[-1]).transpose(2, 3)
    return joined.reshape(-1, rows * size, columns * size, windows.shape[-1])[:, :height, :width]
