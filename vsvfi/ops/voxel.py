"""Deep Voxel Flow's trilinear sampling: a point of the space-time volume between two frames."""

from __future__ import annotations

from torch import Tensor

from vsvfi.ops.backward import backward_warp

__all__ = ["voxel_sample"]


def voxel_sample(first: Tensor, second: Tensor, flow: Tensor, weight: Tensor) -> Tensor:
    """``weight`` times ``first`` at ``p - flow`` plus ``1 - weight`` times ``second`` at ``p + flow``.

    Trilinear sampling (Liu et al., ICCV 2017, arXiv 1702.02463) is two backward warps and a blend, so this is no kernel
    of its own.

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C, H, W)``.
        flow: ``(N, 2, H, W)`` in pixels, from the new frame to the second one.
        weight: ``(N, 1, H, W)``, the share of the first frame.

    Returns:
        ``(N, C, H, W)``.
    """
    return weight * backward_warp(first, -flow) + (1 - weight) * backward_warp(second, flow)
