"""OpenCV's dense inverse search on tensors."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["estimate"]


def estimate(network: nn.Module, frame0: Tensor, frame1: Tensor) -> Tensor:
    """The flow ``(N, 2, H, W)`` in pixels between RGB frames ``(N, 3, H, W)`` in [0, 1], at its finest scale."""
    del network
    flows = [_flow(_luma(first), _luma(second)) for first, second in zip(frame0, frame1, strict=True)]
    return torch.from_numpy(np.stack(flows)).to(frame0.device)


def _luma(frame: Tensor) -> NDArray[np.uint8]:
    pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return cv2.cvtColor(pixels.cpu().numpy(), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    flow = search.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    return np.ascontiguousarray(flow.transpose(2, 0, 1), np.float32)
