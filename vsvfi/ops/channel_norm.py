"""The Euclidean norm over channels."""

from __future__ import annotations

import torch
from torch import Tensor

from vsvfi.ops._common import accumulator, check

__all__ = ["channel_norm"]


def channel_norm(image: Tensor) -> Tensor:
    """The Euclidean norm of each pixel over its channels, ``(N, C, H, W)`` to ``(N, 1, H, W)``.

    Summed in float32 at least; the gradient at 0 is 0, as in FlowNet 2's layer.

    Raises:
        TypeError: the tensor is not of a floating-point type.
        ValueError: it has not four dimensions.
    """
    check("channel_norm", image=(image, (None,) * 4))
    norm: Tensor = torch.linalg.vector_norm(image.to(accumulator(image)), dim=1, keepdim=True)
    return norm.to(image.dtype)
