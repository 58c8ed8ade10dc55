"""RAFT's all-pairs correlation: every pixel of one feature map against every pixel of the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.ops._common import accumulator, check

__all__ = ["all_pairs_correlation"]


def all_pairs_correlation(first: Tensor, second: Tensor, *, levels: int = 4, normalize: bool = True) -> list[Tensor]:
    """The inner products of all pairs of positions, and a pyramid of them over the second map (arXiv 2003.12039).

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C, H2, W2)``.
        levels: How many levels, each half the size of the one before (2 x 2 means, rounded down).
        normalize: Divide by ``sqrt(C)``.

    Returns:
        ``levels`` tensors ``(N, H * W, H2 >> level, W2 >> level)`` in float32 (float64 for float64). The volume is
        as large as it sounds: 4.2 GB for 1080p features at an eighth of the size.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together, or the second map is too small for the levels.
    """
    check("all_pairs_correlation", first=(first, (None, None, None, None)))
    check("all_pairs_correlation", first=(first, (None,) * 4), second=(second, (*first.shape[:2], None, None)))
    if levels < 1 or min(second.shape[2:]) >> (levels - 1) < 1:
        raise ValueError(
            f"all_pairs_correlation: {levels} levels do not fit features of {second.shape[2]} x {second.shape[3]}"
        )
    dtype = accumulator(first)
    with torch.autocast(first.device.type, enabled=False):
        volume = first.to(dtype).flatten(2).transpose(1, 2) @ second.to(dtype).flatten(2)
        if normalize:
            volume = volume / first.shape[1] ** 0.5
        pyramid = [volume.reshape(*volume.shape[:2], *second.shape[2:])]
        for _ in range(levels - 1):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
    return pyramid
