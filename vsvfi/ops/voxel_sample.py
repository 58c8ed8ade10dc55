"""Deep Voxel Flow's trilinear sampling: a point of the space-time volume between two frames."""

from __future__ import annotations

from torch import Tensor

from vsvfi.ops._common import check
from vsvfi.ops.backward_warp import backward_warp

__all__ = ["voxel_sample"]


def voxel_sample(first: Tensor, second: Tensor, flow: Tensor, weight: Tensor) -> Tensor:
    """``weight`` times ``first`` at ``p - flow`` plus ``1 - weight`` times ``second`` at ``p + flow``.

    Trilinear sampling (Liu et al., ICCV 2017, arXiv 1702.02463) is two backward warps and a blend, so this is no kernel
    of its own.

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C, H, W)``.
        flow: ``(N, 2, H, W)`` in pixels, from the new frame to the second one; as for `backward_warp`.
        weight: ``(N, 1, H, W)``, the share of the first frame.

    Returns:
        ``(N, C, H, W)`` of the first frame's type.

    Raises:
        TypeError: a tensor is not of a floating-point type.
        ValueError: shapes or devices do not fit together.
    """
    check("voxel_sample", first=(first, (None,) * 4))
    batch, _, height, width = first.shape
    check(
        "voxel_sample",
        first=(first, (None,) * 4),
        second=(second, tuple(first.shape)),
        flow=(flow, (batch, 2, height, width)),
        weight=(weight, (batch, 1, height, width)),
    )
    blend: Tensor = weight * backward_warp(first, -flow) + (1 - weight) * backward_warp(second, flow)
    return blend.to(first.dtype)
