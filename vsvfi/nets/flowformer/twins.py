"""The first two stages of Twins-SVT (NeurIPS 2021, arXiv 2104.13840), FlowFormer's image encoder.

Maps are ``(N, H, W, C)`` inside.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from vsvfi.nets.flowformer.attention import MLP, attend, from_windows, pad_map, to_windows

__all__ = ["Twins"]

WINDOW = 7


class LocalAttention(nn.Module):
    """Self-attention inside windows of 7x7; what pads the last windows takes part, through the bias."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, C)`` to the same shape."""
        _, h, w, _ = x.shape
        query, key, value = self.qkv(to_windows(pad_map(x, WINDOW), WINDOW)).chunk(3, -1)
        return self.proj(from_windows(attend(query, key, value, self.heads), WINDOW, h, w))  # type: ignore[no-any-return]


class GlobalAttention(nn.Module):
    """Attention of every position to a map reduced by ``reduction``; what is left over at the border is dropped."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.sr = nn.Conv2d(channels, channels, reduction, reduction)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, C)`` to the same shape."""
        reduced = self.norm(self.sr(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2))
        key, value = self.kv(reduced).chunk(2, -1)
        result = attend(self.q(x.flatten(1, 2)), key, value, self.heads)
        return self.proj(result).view_as(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and an MLP, each behind a norm and around a shortcut."""

    def __init__(self, channels: int, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = attention
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MLP(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, C)`` to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PatchEmbed(nn.Module):
    """Patches of a map as normalised tokens."""

    def __init__(self, in_channels: int, channels: int, size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, size, size)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, H / size, W / size, channels)``."""
        return self.norm(self.proj(image).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class Twins(nn.Module):
    """Features of a frame at 1/4 and 1/8 of its size: windowed, then global attention in each of two stages.

    Args:
        width: channels of the first stage; the second has twice as many.
    """

    def __init__(self, *, width: int = 128) -> None:
        super().__init__()
        self.patch_embeds = nn.ModuleList((PatchEmbed(3, width, 4), PatchEmbed(width, 2 * width, 2)))
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                (
                    Block(channels, LocalAttention(channels, heads)),
                    Block(channels, GlobalAttention(channels, heads, reduction)),
                )
            )
            for channels, heads, reduction in ((width, 4, 8), (2 * width, 8, 4))
        )
        self.positions = nn.ModuleList(nn.Conv2d(c, c, 3, 1, 1, groups=c) for c in (width, 2 * width))

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 3, H, W)`` to ``(N, width, H/4, W/4)`` and ``(N, 2 * width, H/8, W/8)``."""
        quarter = self._stage(0, frame)
        return quarter, self._stage(1, quarter)

    def _stage(self, index: int, image: Tensor) -> Tensor:
        local_block, global_block = cast(nn.ModuleList, self.blocks[index])
        x = local_block(self.patch_embeds[index](image))
        x = x + self.positions[index](x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        result: Tensor = global_block(x).permute(0, 3, 1, 2)
        return result
