"""The network of FlowNetS without batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.backend import Shapes
from vsvfi.nets.blocks import conv, conv_leaky, deconv_leaky

__all__ = ["FLOW_UNIT", "Expanding", "FlowNetS", "build", "estimate"]

FLOW_UNIT = 20.0
"""Pixels of full resolution that a predicted value of 1 stands for."""


class Expanding(nn.Module):
    """The expanding half of the FlowNets: features grow back to a quarter of the size, with a flow at every level.

    The layers keep their published names, which are those of the network that inherits them.

    Args:
        prediction_bias: whether the layers that predict a flow have a bias.
        upsampling_bias: whether the layers that upsample a flow have one.
        smoothing: whether a convolution precedes each prediction but the coarsest (FlowNet2-SD).
    """

    def __init__(self, *, prediction_bias: bool, upsampling_bias: bool, smoothing: bool = False) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.deconv5 = deconv_leaky(1024, 512)
        self.deconv4 = deconv_leaky(1026, 256)
        self.deconv3 = deconv_leaky(770, 128)
        self.deconv2 = deconv_leaky(386, 64)
        self.predict_flow6 = conv(1024, 2, bias=prediction_bias)
        for level, channels, width in ((5, 1026, 512), (4, 770, 256), (3, 386, 128), (2, 194, 64)):
            if smoothing:
                setattr(self, f"inter_conv{level}", nn.Sequential(conv(channels, width)))
            predict = conv(width if smoothing else channels, 2, bias=prediction_bias)
            setattr(self, f"predict_flow{level}", predict)
            upsampling = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=upsampling_bias)
            setattr(self, f"upsampled_flow{level + 1}_to_{level}", upsampling)

    def expand(self, encoded: Sequence[Tensor], x: Tensor) -> list[Tensor]:
        """Flows at the levels 2 to 6, from the features at the levels 2 to 5 and at level 6."""
        flows = [self.predict_flow6(x).float()]
        for level in (5, 4, 3, 2):
            upsampled = getattr(self, f"upsampled_flow{level + 1}_to_{level}")(flows[0])
            x = torch.cat((encoded[level - 2], getattr(self, f"deconv{level}")(x), upsampled), 1)
            smooth = getattr(self, f"inter_conv{level}")(x) if self.smoothing else x
            flows.insert(0, getattr(self, f"predict_flow{level}")(smooth).float())
        return flows


class FlowNetS(Expanding):
    """A contracting and an expanding half with skip connections and a flow at every scale of the latter.

    ``prediction_bias`` says whether the layers that predict a flow have a bias, as FlowNet2-S's do.
    """

    def __init__(self, in_channels: int = 6, *, prediction_bias: bool = False) -> None:
        super().__init__(prediction_bias=prediction_bias, upsampling_bias=False)
        self.conv1 = conv_leaky(in_channels, 64, 7, stride=2)
        self.conv2 = conv_leaky(64, 128, 5, stride=2)
        self.conv3 = conv_leaky(128, 256, 5, stride=2)
        self.conv3_1 = conv_leaky(256, 256)
        self.conv4 = conv_leaky(256, 512, stride=2)
        self.conv4_1 = conv_leaky(512, 512)
        self.conv5 = conv_leaky(512, 512, stride=2)
        self.conv5_1 = conv_leaky(512, 512)
        self.conv6 = conv_leaky(512, 1024, stride=2)
        self.conv6_1 = conv_leaky(1024, 1024)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Flows from the first to the second of two frames.

        Args:
            frames: the two frames one after the other, ``(N, in_channels, H, W)``, sides multiples of 64.

        Returns:
            ``(N, 2, H / 2**l, W / 2**l)`` for the levels l = 2 to 6, fp32, in units of `FLOW_UNIT` pixels of full
            resolution.
        """
        encoded2 = self.conv2(self.conv1(frames))
        encoded3 = self.conv3_1(self.conv3(encoded2))
        encoded4 = self.conv4_1(self.conv4(encoded3))
        encoded5 = self.conv5_1(self.conv5(encoded4))
        encoded6 = self.conv6_1(self.conv6(encoded5))
        return self.expand((encoded2, encoded3, encoded4, encoded5), encoded6)


def build(shapes: Shapes) -> FlowNetS:
    """The network with the input channels and biases that the shapes show."""
    return FlowNetS(shapes["conv1.0.weight"][1], prediction_bias="predict_flow2.bias" in shapes)


def estimate(network: FlowNetS, frame0: Tensor, frame1: Tensor) -> Tensor:
    """Flow in pixels at full size from RGB frames, upsampled as MEMC-Net does (``align_corners=True``)."""
    finest = network(torch.cat((frame0, frame1), 1))[0]
    return functional.interpolate(FLOW_UNIT * finest, scale_factor=4, mode="bilinear", align_corners=True)
