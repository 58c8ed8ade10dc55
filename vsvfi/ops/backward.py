"""Backward warping: each output pixel is read from where its flow vector points."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vsvfi.ops._common import accumulator, check, gather, inside, position, shift

__all__ = ["backward_warp", "reference"]

type Mode = Literal["bilinear", "bicubic"]
type Border = Literal["replicate", "zeros"]

MODES = ("bilinear", "bicubic")
BORDERS = ("replicate", "zeros")


def backward_warp(
    image: Tensor,
    flow: Tensor,
    *,
    mode: Mode = "bilinear",
    border: Border = "replicate",
    align_corners: bool = True,
) -> Tensor:
    """Sample ``image`` at ``(x + flow_x, y + flow_y)`` for every pixel ``(x, y)`` of ``flow``.

    Args:
        image: ``(N, C, Hi, Wi)``, any values.
        flow: ``(N, 2, H, W)`` in pixels of the image, channel 0 = x, 1 = y; used in float32 (float64 with a
            float64 image). A NaN counts as a position far beyond the left or upper border.
        mode: ``"bilinear"``, or ``"bicubic"`` (Keys' kernel with a = -0.75, as in torch).
        border: What lies outside the image: its border pixel repeated (``"replicate"``), or 0 (``"zeros"``).
        align_corners: True samples at exactly ``x + flow_x``. False reproduces a widespread mismatch on which
            checkpoints were trained: a grid that was normalised by ``W - 1`` and sampled as if by ``W``, which
            reads ``(x + flow_x) * W / (W - 1) - 0.5``, so that a zero flow is not the identity.

    Returns:
        ``(N, C, H, W)`` of the image's type.

    Gradients are those of the formula with ``floor`` held constant: at an exact integer the derivative is the one
    towards positive x and y.
    """
    if mode not in MODES or border not in BORDERS:
        raise ValueError(
            f"backward_warp: mode must be one of {MODES} and border of {BORDERS}, got {mode!r}, {border!r}"
        )
    check("backward_warp", image=(image, (None, None, None, None)), flow=(flow, (image.shape[0], 2, None, None)))
    if 0 in image.shape[2:]:
        raise ValueError(f"backward_warp: image must have pixels, got the shape {tuple(image.shape)}")
    return reference(image, flow, mode, border, align_corners)


def reference(image: Tensor, flow: Tensor, mode: Mode, border: Border, align_corners: bool) -> Tensor:
    """`backward_warp` in plain torch."""
    dtype = accumulator(image)
    height, width = image.shape[2:]
    x, y = shift(flow.to(dtype))
    if not align_corners:
        x = x * (width / max(width - 1, 1)) - 0.5
        y = y * (height / max(height - 1, 1)) - 0.5
    x, y = position(x, width, 3), position(y, height, 3)
    left, top = x.floor(), y.floor()
    weights_x, weights_y = _weights(x - left, mode), _weights(y - top, mode)
    first = 0 if mode == "bilinear" else -1
    values = image.to(dtype)
    output = values.new_zeros(())
    for j, weight_y in enumerate(weights_y, first):
        row = values.new_zeros(())
        for i, weight_x in enumerate(weights_x, first):
            sample = gather(values, left + i, top + j)
            weight = weight_x if border == "replicate" else weight_x * inside(left + i, top + j, (height, width))
            row = row + sample * weight[:, None]
        output = output + row * weight_y[:, None]
    return output.to(image.dtype)


def _weights(fraction: Tensor, mode: Mode) -> tuple[Tensor, ...]:
    """The weights of the 2 or 4 taps around a position, from its distance to the pixel on the left."""
    if mode == "bilinear":
        return 1 - fraction, fraction
    a = -0.75
    f, g = fraction, 1 - fraction
    return (
        ((a * (f + 1) - 5 * a) * (f + 1) + 8 * a) * (f + 1) - 4 * a,
        ((a + 2) * f - (a + 3)) * f * f + 1,
        ((a + 2) * g - (a + 3)) * g * g + 1,
        ((a * (g + 1) - 5 * a) * (g + 1) + 8 * a) * (g + 1) - 4 * a,
    )
