"""The network of Deep Voxel Flow (arXiv 1702.02463, section 3): an encoder-decoder and trilinear sampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, in_float32
from vsvfi.nets.geometry import resize
from vsvfi.ops import backward_warp

__all__ = ["FLOW_HEADS", "VoxelFlow", "build", "create", "example"]


FLOW_HEADS = (r"^conv4\.",)
"""What makes the flow and the mask."""

WIDTHS = (64, 128, 256)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.9997)


class VoxelFlow(nn.Module):
    """Voxel flow between two frames, and the frame halfway.

    Frames are BGR in [-1, 1]; H and W are multiples of 8.

    Args:
        widths: channels of the three encoder levels.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        w1, w2, w3 = widths
        self.conv1, self.conv1_bn = conv(6, w1, 5, bias=False), _norm(w1)
        self.conv2, self.conv2_bn = conv(w1, w2, 5, bias=False), _norm(w2)
        self.conv3, self.conv3_bn = conv(w2, w3, bias=False), _norm(w3)
        self.bottleneck, self.bottleneck_bn = conv(w3, w3, bias=False), _norm(w3)
        # "Deconvolution" in the paper: a bilinear upsampling and a plain convolution.
        self.deconv1, self.deconv1_bn = conv(w3 + w3, w3, bias=False), _norm(w3)
        self.deconv2, self.deconv2_bn = conv(w3 + w2, w2, 5, bias=False), _norm(w2)
        self.deconv3, self.deconv3_bn = conv(w2 + w1, w1, 5, bias=False), _norm(w1)
        self.conv4 = conv(w1, 3, 5)

    def prepare(self, frame0: Tensor, frame1: Tensor) -> Tensor:
        """``(N, 3, H, W)`` in (-1, 1): flow x and y as fractions of the frame's half size times two, and the mask."""
        c1 = torch.relu(self.conv1_bn(self.conv1(torch.cat((frame0, frame1), 1))))
        c2 = torch.relu(self.conv2_bn(self.conv2(F.max_pool2d(c1, 2))))
        c3 = torch.relu(self.conv3_bn(self.conv3(F.max_pool2d(c2, 2))))
        x = torch.relu(self.bottleneck_bn(self.bottleneck(F.max_pool2d(c3, 2))))
        x = torch.relu(self.deconv1_bn(self.deconv1(torch.cat((resize(x, 2), c3), 1))))
        x = torch.relu(self.deconv2_bn(self.deconv2(torch.cat((resize(x, 2), c2), 1))))
        x = torch.relu(self.deconv3_bn(self.deconv3(torch.cat((resize(x, 2), c1), 1))))
        return torch.tanh(in_float32(self.conv4, x))

    def synthesize(self, frame0: Tensor, frame1: Tensor, voxel_flow: Tensor, size: tuple[int, int]) -> Tensor:
        """The new frame: both frames sampled against and along the flow, blended by the mask.

        ``size`` (height, width) is what the flow is a fraction of: the frames', or that of which they are a part.
        """
        height, width = size
        # Half of the output is the flow in coordinates of [-1, 1]: a quarter of it counts in frame sizes.
        sides = torch.tensor((width - 1, height - 1), dtype=torch.float32, device=frame0.device)
        flow = voxel_flow[:, :2] * (sides / 4).view(1, 2, 1, 1)
        mask = 0.5 * (1 + voxel_flow[:, 2:])
        return mask * backward_warp(frame0, -flow) + (1 - mask) * backward_warp(frame1, flow)

    def forward(self, frame0: Tensor, frame1: Tensor) -> Tensor:
        """The frame ``(N, 3, H, W)`` halfway between two frames, not clamped."""
        size = (frame0.shape[-2], frame0.shape[-1])
        return self.synthesize(frame0, frame1, self.prepare(frame0, frame1), size)


def build(shapes: Shapes) -> VoxelFlow:
    """The network whose state dict has these shapes; the published one when there are none."""
    return VoxelFlow([shapes.get(f"conv{level}_bn.weight", (width,))[0] for level, width in enumerate(WIDTHS, start=1)])


def create(_name: str) -> VoxelFlow:
    """The untrained network at its published size."""
    return VoxelFlow()


def example(_name: str) -> VoxelFlow:
    """A very small untrained network."""
    return VoxelFlow(widths=(4, 6, 8))
