"""GMFlow's transformer: attention inside windows, within a map and between two. Maps are ``(N, H, W, C)`` here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Transformer", "position_code"]


def position_code(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """The sine code ``(height, width, channels)`` of the places in a window: half the channels for y, half for x."""
    half = channels // 2
    divisors = 10000 ** (2 * (torch.arange(half, device=device) // 2) / half)
    codes = []
    for size in (height, width):
        places = torch.arange(1, size + 1, dtype=torch.float32, device=device) / (size + 1e-6) * (2 * math.pi)
        angles = places[:, None] / divisors
        codes.append(torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), -1).flatten(1))
    y, x = codes[0][:, None].expand(-1, width, -1), codes[1][None].expand(height, -1, -1)
    return torch.cat((y, x), -1)


def _bands(size: int, windows: int, shifted: bool) -> Iterator[tuple[int, int, int]]:
    """The windows along one side, grouped by size: where a group begins, how many windows, how large.

    Shifted windows lie half a window further; what is left at either end is a window of its own. The reference rolls
    the map around and masks what does not belong together, which is the same.
    """
    length = size // windows
    shift = length // 2 if shifted else 0
    edges = (0, shift, size - (length - shift if shift else 0), size)
    for start, end in pairwise(edges):
        if end > start:
            count = (end - start) // length or 1
            yield start, count, (end - start) // count


def _window_attention(query: Tensor, key: Tensor, value: Tensor, windows: int, shifted: bool) -> Tensor:
    """Single-head attention within ``windows`` x ``windows`` windows of maps ``(N, H, W, C)``."""
    n, height, width, channels = query.shape
    columns = list(_bands(width, windows, shifted))
    rows = []
    for top, down, h in _bands(height, windows, shifted):
        row = []
        for left, across, w in columns:
            cells = [
                x[:, top : top + down * h, left : left + across * w]
                .reshape(n, down, h, across, w, channels)
                .transpose(2, 3)
                .reshape(n, down * across, h * w, channels)
                for x in (query, key, value)
            ]
            found = functional.scaled_dot_product_attention(cells[0], cells[1], cells[2])
            found = found.reshape(n, down, across, h, w, channels).transpose(2, 3)
            row.append(found.reshape(n, down * h, across * w, channels))
        rows.append(torch.cat(row, 2))
    return torch.cat(rows, 1)


class _Attention(nn.Module):
    """Attention of a source to a target, normalised before it is added; with a feed-forward layer where ``ffn``."""

    def __init__(self, channels: int, *, ffn: bool) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.merge = (
            nn.Linear(channels, channels, bias=False) for _ in range(4)
        )
        self.norm1 = nn.LayerNorm(channels)
        self.ffn = ffn
        if ffn:
            hidden = 4 * 2 * channels
            self.mlp = nn.Sequential(
                nn.Linear(2 * channels, hidden, bias=False), nn.GELU(), nn.Linear(hidden, channels, bias=False)
            )
            self.norm2 = nn.LayerNorm(channels)

    def forward(self, source: Tensor, target: Tensor, windows: int, shifted: bool) -> Tensor:
        query, key, value = self.q_proj(source), self.k_proj(target), self.v_proj(target)
        message = self.norm1(self.merge(_window_attention(query, key, value, windows, shifted)))
        if self.ffn:
            message = self.norm2(self.mlp(torch.cat((source, message), -1)))
        result: Tensor = source + message
        return result


class _Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.self_attn = _Attention(channels, ffn=False)
        self.cross_attn_ffn = _Attention(channels, ffn=True)

    def forward(self, both: Tensor, windows: int, shifted: bool) -> Tensor:
        # The maps that each is compared with are those before the layer.
        others = torch.cat(both.chunk(2)[::-1])
        both = self.self_attn(both, both, windows, shifted)
        result: Tensor = self.cross_attn_ffn(both, others, windows, shifted)
        return result


class Transformer(nn.Module):
    """Makes two feature maps aware of themselves and of each other; every other layer has shifted windows."""

    def __init__(self, channels: int = 128, layers: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(channels) for _ in range(layers))

    def forward(self, first: Tensor, second: Tensor, windows: int) -> tuple[Tensor, Tensor]:
        """Two maps ``(N, C, H, W)``, H and W multiples of ``windows`` (a side), to two of the same shape."""
        n, channels, height, width = first.shape
        both = torch.cat((first, second)).permute(0, 2, 3, 1)
        code = position_code(height // windows, width // windows, channels, both.device)
        both = both + code.repeat(windows, windows, 1)
        for index, layer in enumerate(self.layers):
            both = layer(both, windows, index % 2 == 1)
        result = both.permute(0, 3, 1, 2)
        return result[:n].contiguous(), result[n:].contiguous()
