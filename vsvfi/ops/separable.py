"""Separable local convolution: every output pixel has a vertical and a horizontal 1-D kernel of its own."""

from __future__ import annotations

from torch import Tensor

from vsvfi.ops._common import accumulator, check

__all__ = ["reference", "separable_conv"]


def separable_conv(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Sum over ``(j, i)`` of ``image[y + j, x + i] * vertical[j, y, x] * horizontal[i, y, x]``.

    Args:
        image: ``(N, C, H + V - 1, W + U - 1)``, padded by the caller; all channels share the kernels.
        vertical: ``(N, V, H, W)``.
        horizontal: ``(N, U, H, W)``.

    Returns:
        ``(N, C, H, W)`` of the image's type (Niklaus et al., ICCV 2017, arXiv 1708.01692). Nothing is normalised.
    """
    check(
        "separable_conv",
        image=(image, (None, None, None, None)),
        vertical=(vertical, (image.shape[0], None, None, None)),
    )
    batch, taps, height, width = vertical.shape
    check("separable_conv", image=(image, (None,) * 4), horizontal=(horizontal, (batch, None, height, width)))
    if 0 in (taps, horizontal.shape[1]):
        raise ValueError("separable_conv: vertical and horizontal must have at least one tap, got 0")
    expected = (batch, None, height + taps - 1, width + horizontal.shape[1] - 1)
    check("separable_conv", image=(image, expected), vertical=(vertical, (None,) * 4))
    return reference(image, vertical, horizontal)


def reference(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """`separable_conv` in plain torch."""
    dtype = accumulator(image)
    height = vertical.shape[2]
    windows = image.to(dtype).unfold(3, horizontal.shape[1], 1)
    kernel = horizontal.to(dtype).permute(0, 2, 3, 1)[:, None]
    output = kernel.new_zeros(())
    for j in range(vertical.shape[1]):
        row = (windows[:, :, j : j + height] * kernel).sum(-1)
        output = output + row * vertical[:, j, None].to(dtype)
    return output.to(image.dtype)
