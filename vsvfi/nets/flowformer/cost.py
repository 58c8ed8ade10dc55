"""FlowFormer's cost volume encoder (section 3.1): the cost maps, tokenized, condensed and related to each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.correlation import AllPairs
from vsvfi.nets.flowformer.attention import MLP, attend, from_windows, linear_sine_code, pad_map, to_windows
from vsvfi.nets.geometry import pixel_grid

__all__ = ["CostEncoder"]

LATENTS = 8
HEADS = 8
WINDOW = 7
REDUCTION = 4
CHUNK = 2**23
"""How many costs are tokenized at a time: the first layer makes four times as many floats of them."""


class CostTokens(nn.Module):
    """Tokens of cost maps: patches of 8x8 with the code of their centre."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, channels in ((1, width // 8), (width // 8, width // 4), (width // 4, width // 2)):
            layers += [nn.Conv2d(in_channels, channels, 6, 2, 2), nn.ReLU()]
        self.proj = nn.Sequential(*layers[:-1])
        self.ffn_with_coord = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: Tensor) -> Tensor:
        """``(M, 1, h, w)`` to ``(M, tokens, width)``."""
        h, w = maps.shape[-2:]
        tokens = self.proj(functional.pad(maps, (0, -w % 8, 0, -h % 8)))
        centres = 8 * pixel_grid(tokens.shape[-2], tokens.shape[-1], maps.device) + 4
        code = linear_sine_code(centres.permute(0, 2, 3, 1), tokens.shape[1]).permute(0, 3, 1, 2)
        tokens = self.ffn_with_coord(torch.cat((tokens, code.expand(len(tokens), -1, -1, -1)), 1))
        return self.norm(tokens.flatten(2).transpose(1, 2))  # type: ignore[no-any-return]


class LatentAttention(nn.Module):
    """Attention of latent tokens to others, or to themselves, and a feed-forward layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.ffn = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Latents ``(M, 8, C)`` that have attended to ``memory`` ``(M, tokens, C)``, or to themselves."""
        query = self.norm1(x)
        memory = query if memory is None else memory
        x = x + self.proj(attend(self.q(query), self.k(memory), self.v(memory), HEADS))
        return x + self.ffn(self.norm2(x))  # type: ignore[no-any-return]


class WindowAttention(nn.Module):
    """Attention among the positions of a 7x7 window; queries and keys see the context and their place in it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.context_proj = nn.Linear(2 * width, width // 2)
        self.q = nn.Linear(3 * width // 2, width)
        self.k = nn.Linear(3 * width // 2, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``(N * 8, h, w, C)`` with the context ``(N, h, w, 2 * C)``; shape of ``x``."""
        _, h, w, _ = x.shape
        located = torch.cat((x, _per_latent(self.context_proj(context))), -1)
        places = pixel_grid(WINDOW, WINDOW, x.device).flatten(2).transpose(1, 2)
        located = to_windows(pad_map(located, WINDOW), WINDOW) + linear_sine_code(places, located.shape[-1])
        value = self.v(to_windows(pad_map(x, WINDOW), WINDOW))
        result = attend(self.q(located), self.k(located), value, HEADS)
        return self.proj(from_windows(result, WINDOW, h, w))  # type: ignore[no-any-return]


class ReducedAttention(nn.Module):
    """Attention of all positions to a map reduced fourfold; queries and keys see the context and their place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.context_proj = nn.Linear(2 * width, width // 2)
        self.q = nn.Linear(3 * width // 2, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.sr_key = nn.Conv2d(3 * width // 2, width, REDUCTION, REDUCTION)
        self.sr_value = nn.Conv2d(width, width, REDUCTION, REDUCTION)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``(N * 8, h, w, C)`` with the context ``(N, h, w, 2 * C)``; shape of ``x``."""
        _, h, w, _ = x.shape
        located = pad_map(torch.cat((x, _per_latent(self.context_proj(context))), -1), REDUCTION)
        height, width = located.shape[1:3]
        places = pixel_grid(height, width, x.device).permute(0, 2, 3, 1)
        query = self.q((located + linear_sine_code(places, located.shape[-1])).flatten(1, 2))

        def reduce(convolution: nn.Module, image: Tensor) -> Tensor:
            return self.norm(convolution(image.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2))  # type: ignore[no-any-return]

        coarse = REDUCTION * pixel_grid(height // REDUCTION, width // REDUCTION, x.device)
        code = linear_sine_code(coarse.flatten(2).transpose(1, 2), x.shape[-1])
        key = self.k(reduce(self.sr_key, located) + code)
        value = self.v(reduce(self.sr_value, pad_map(x, REDUCTION)))
        result = attend(query, key, value, HEADS)
        return self.proj(result.view(-1, height, width, x.shape[-1])[:, :h, :w])  # type: ignore[no-any-return]


class ContextBlock(nn.Module):
    """Attention guided by the context and an MLP, each behind a norm and around a shortcut."""

    def __init__(self, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, 4 * width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``(N * 8, h, w, C)`` with the context ``(N, h, w, 2 * C)``; shape of ``x``."""
        x = x + self.attn(self.norm1(x), context)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class VerticalLayer(nn.Module):
    """Relates the same latent of all positions: in windows, then to the whole map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local_block = ContextBlock(width, WindowAttention(width))
        self.global_block = ContextBlock(width, ReducedAttention(width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``(N * 8, h, w, C)`` with the context ``(N, h, w, 2 * C)``; shape of ``x``."""
        return self.global_block(self.local_block(x, context), context)  # type: ignore[no-any-return]


class CostEncoder(nn.Module):
    """Condenses every cost map into eight latent tokens and relates them: the cost memory.

    Args:
        width: channels of the tokens, half as many as the context has.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.latent_tokens = nn.Parameter(torch.zeros(1, LATENTS, width))
        self.patch_embed = CostTokens(width)
        self.input_layer = LatentAttention(width)
        self.latent_layers = nn.ModuleList(LatentAttention(width) for _ in range(3))
        self.vertical_layers = nn.ModuleList(VerticalLayer(width) for _ in range(3))

    def forward(self, costs: AllPairs, context: Tensor) -> Tensor:
        """The memory of the cost maps of all positions.

        Args:
            costs: inner products of all pairs of features, not normalized.
            context: features of the first frame ``(N, 2 * width, h, w)``.

        Returns:
            eight latent tokens for every map, ``(N * h * w, 8, width)``.
        """
        n, _, h, w = context.shape
        context = context.permute(0, 2, 3, 1)
        latents = torch.cat([self._condense(maps) for _, (maps,) in costs.tiles()], 1).flatten(0, 1)
        x = latents
        for latent_layer, vertical_layer in zip(self.latent_layers, self.vertical_layers, strict=True):
            x = latent_layer(x)
            x = x.view(n, h * w, LATENTS, -1).transpose(1, 2).reshape(n * LATENTS, h, w, -1)
            x = vertical_layer(x, context)
            x = x.view(n, LATENTS, h * w, -1).transpose(1, 2).reshape(n * h * w, LATENTS, -1)
        return x + latents

    def _condense(self, maps: Tensor) -> Tensor:
        """Cost maps ``(N, M, h, w)`` as ``(N, M, 8, width)``."""
        singles, step = maps.flatten(0, 1)[:, None], max(1, CHUNK // maps[0, 0].numel())
        # Costs are unscaled inner products: beyond what half precision can tell apart.
        with torch.autocast(maps.device.type, enabled=False):
            parts = [
                self.input_layer(self.latent_tokens.expand(len(part), -1, -1), self.patch_embed(part))
                for part in (singles[i : i + step] for i in range(0, len(singles), step))
            ]
        return torch.cat(parts).view(*maps.shape[:2], LATENTS, -1)


def _per_latent(context: Tensor) -> Tensor:
    """``(N, h, w, C)`` repeated for the latents of each sample, ``(N * 8, h, w, C)``."""
    return context.repeat_interleave(LATENTS, 0)
