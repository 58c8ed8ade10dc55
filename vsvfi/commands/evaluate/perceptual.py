"""LPIPS and FloLPIPS (Danier et al., PCS 2022) of frames, with the user's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Perceptual"]


class Perceptual:
    """Measures frames ``(H, W, 3)`` of 8 bit.

    Args:
        files: torchvision's AlexNet or VGG-16, and the linear weights of LPIPS for it.

    Raises:
        WeightsError: a file is missing or holds something else.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        from vsvfi.models import estimators
        from vsvfi.nets.perceptual import load_lpips

        self._lpips = load_lpips(files)
        self._flow = estimators.flow("dis")

    def __call__(self, image: NDArray[Any], truth: NDArray[Any], before: NDArray[Any]) -> tuple[float, float]:
        """LPIPS, and FloLPIPS: places count by how much the motion from the frame ``before`` differs from the true."""
        import torch

        made, true, first = (_tensor(picture) for picture in (image, truth, before))
        with torch.no_grad():
            difference = (self._flow(first, made) - self._flow(first, true)).square().sum(1, keepdim=True).sqrt()
            return float(self._lpips(made, true)), float(self._lpips(made, true, difference))


def _tensor(picture: NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
