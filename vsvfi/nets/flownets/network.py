"""The network of FlowNetS without batch norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, conv_leaky, deconv_leaky, in_float32

__all__ = ["FLOW_UNIT", "FlowNet", "FlowNetS", "build", "estimate"]

FLOW_UNIT = 20.0
"""Pixels of full resolution that a predicted value of 1 stands for."""


class FlowNet(nn.Module):
    """What the FlowNets have in common: the coarse levels of the contracting half, and the expanding half.

    In the latter features grow back to a quarter of the size, with skip connections and a flow at every level.
    The layers keep their published names, which are those of the network that inherits them.

    Args:
        prediction_bias: whether the layers that predict a flow have a bias.
        upsampling_bias: whether the layers that upsample a flow have one.
        smoothing: whether a convolution precedes each prediction but the coarsest (FlowNet2-SD).
        width: the channels of the finest level, 64 in every published network.
    """

    def __init__(
        self, *, prediction_bias: bool, upsampling_bias: bool, smoothing: bool = False, width: int = 64
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.conv4 = conv_leaky(4 * width, 8 * width, stride=2)
        self.conv4_1 = conv_leaky(8 * width, 8 * width)
        self.conv5 = conv_leaky(8 * width, 8 * width, stride=2)
        self.conv5_1 = conv_leaky(8 * width, 8 * width)
        self.conv6 = conv_leaky(8 * width, 16 * width, stride=2)
        self.conv6_1 = conv_leaky(16 * width, 16 * width)
        channels = 16 * width
        self.predict_flow6 = conv(channels, 2, bias=prediction_bias)
        # The features of a level, of the contracting half and from below, with the flow from below.
        for level, encoded, decoded in ((5, 8, 8), (4, 8, 4), (3, 4, 2), (2, 2, 1)):
            setattr(self, f"deconv{level}", deconv_leaky(channels, decoded * width))
            channels = (encoded + decoded) * width + 2
            if smoothing:
                setattr(self, f"inter_conv{level}", nn.Sequential(conv(channels, decoded * width)))
            predict = conv(decoded * width if smoothing else channels, 2, bias=prediction_bias)
            setattr(self, f"predict_flow{level}", predict)
            upsampling = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=upsampling_bias)
            setattr(self, f"upsampled_flow{level + 1}_to_{level}", upsampling)

    def flows(self, encoded2: Tensor, encoded3: Tensor) -> list[Tensor]:
        """Flows at the levels 2 to 6, from the features at the levels 2 and 3 of the contracting half."""
        encoded4 = self.conv4_1(self.conv4(encoded3))
        encoded5 = self.conv5_1(self.conv5(encoded4))
        encoded = (encoded2, encoded3, encoded4, encoded5)
        x = self.conv6_1(self.conv6(encoded5))
        flows = [in_float32(self.predict_flow6, x)]
        for level in (5, 4, 3, 2):
            upsampled = in_float32(getattr(self, f"upsampled_flow{level + 1}_to_{level}"), flows[0])
            x = torch.cat((encoded[level - 2], getattr(self, f"deconv{level}")(x), upsampled), 1)
            smooth = getattr(self, f"inter_conv{level}")(x) if self.smoothing else x
            flows.insert(0, in_float32(getattr(self, f"predict_flow{level}"), smooth))
        return flows


class FlowNetS(FlowNet):
    """The simple one: both frames enter together.

    ``prediction_bias`` says whether the layers that predict a flow have a bias, as FlowNet2-S's do.
    """

    def __init__(self, in_channels: int = 6, *, prediction_bias: bool = False, width: int = 64) -> None:
        super().__init__(prediction_bias=prediction_bias, upsampling_bias=False, width=width)
        self.conv1 = conv_leaky(in_channels, width, 7, stride=2)
        self.conv2 = conv_leaky(width, 2 * width, 5, stride=2)
        self.conv3 = conv_leaky(2 * width, 4 * width, 5, stride=2)
        self.conv3_1 = conv_leaky(4 * width, 4 * width)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Flows from the first to the second of two frames.

        Args:
            frames: the two frames one after the other, ``(N, in_channels, H, W)``, sides multiples of 64.

        Returns:
            ``(N, 2, H / 2**l, W / 2**l)`` for the levels l = 2 to 6, fp32, in units of `FLOW_UNIT` pixels of full
            resolution.
        """
        encoded2 = self.conv2(self.conv1(frames))
        return self.flows(encoded2, self.conv3_1(self.conv3(encoded2)))


def build(shapes: Shapes) -> FlowNetS:
    """The network with the channels and biases that the shapes show."""
    width, in_channels = shapes["conv1.0.weight"][:2]
    return FlowNetS(in_channels, prediction_bias="predict_flow2.bias" in shapes, width=width)


def estimate(network: FlowNetS, frame0: Tensor, frame1: Tensor) -> Tensor:
    """Flow in pixels at full size from RGB frames, upsampled as MEMC-Net does (``align_corners=True``)."""
    finest = network(torch.cat((frame0, frame1), 1))[0]
    return functional.interpolate(FLOW_UNIT * finest, scale_factor=4, mode="bilinear", align_corners=True)
