"""The networks of FlowNet 2.0 (arXiv 1612.01925, figure 2), with the layers of its published PyTorch weights.

Frames are RGB in [0, 1] less their common mean (see `normalise`); H and W are multiples of 64.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, conv_leaky, deconv_leaky, in_float32
from vsvfi.nets.flownets.network import FLOW_UNIT, FlowNet, FlowNetS
from vsvfi.nets.geometry import resize
from vsvfi.ops import backward_warp, channel_norm, correlation

__all__ = ["FlowNet2", "FlowNetC", "FlowNetFusion", "FlowNetSD", "build", "build_c", "build_s", "estimate", "normalise"]


def normalise(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """RGB frames ``(N, 3, H, W)`` in [0, 1] less their mean over both, for every sample and channel."""
    mean = (first.mean((2, 3), keepdim=True) + second.mean((2, 3), keepdim=True)) / 2
    return first - mean, second - mean


class FlowNetC(FlowNet):
    """Features of either frame by the same layers, correlated, then as FlowNetS."""

    def __init__(self) -> None:
        super().__init__(prediction_bias=True, upsampling_bias=True)
        self.conv1 = conv_leaky(3, 64, 7, stride=2)
        self.conv2 = conv_leaky(64, 128, 5, stride=2)
        self.conv3 = conv_leaky(128, 256, 5, stride=2)
        self.conv_redir = conv_leaky(256, 32, 1)
        self.conv3_1 = conv_leaky(473, 256)

    def matches(self, first: Tensor, second: Tensor) -> Tensor:
        """The correlation ``(N, 441, H, W)`` of features over 41 x 41 pixels, every second one."""
        return F.leaky_relu(correlation(first, second, radius=20, stride=2), 0.1)

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Flows at the levels 2 to 6 (1/4 to 1/64 of the size), in units of `FLOW_UNIT` pixels of full size."""
        encoded2 = self.conv2(self.conv1(first))
        features1, features2 = self.conv3(encoded2), self.conv3(self.conv2(self.conv1(second)))
        encoded3 = self.conv3_1(torch.cat((self.conv_redir(features1), self.matches(features1, features2)), 1))
        return self.flows(encoded2, encoded3)


class FlowNetSD(FlowNet):
    """FlowNetS for small displacements: small kernels, a first layer at full size, smoothed predictions."""

    def __init__(self) -> None:
        super().__init__(prediction_bias=True, upsampling_bias=True, smoothing=True)
        self.conv0 = conv_leaky(6, 64)
        self.conv1 = conv_leaky(64, 64, stride=2)
        self.conv1_1 = conv_leaky(64, 128)
        self.conv2 = conv_leaky(128, 128, stride=2)
        self.conv2_1 = conv_leaky(128, 128)
        self.conv3 = conv_leaky(128, 256, stride=2)
        self.conv3_1 = conv_leaky(256, 256)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Flows at the levels 2 to 6 of two frames one after the other, in twentieths of a pixel of full size."""
        encoded1 = self.conv1_1(self.conv1(self.conv0(frames)))
        encoded2 = self.conv2_1(self.conv2(encoded1))
        encoded3 = self.conv3_1(self.conv3(encoded2))
        return self.flows(encoded2, encoded3)


class FlowNetFusion(nn.Module):
    """One flow at full size from two, by their magnitudes and the brightness errors they leave."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = conv_leaky(11, 64)
        self.conv1 = conv_leaky(64, 64, stride=2)
        self.conv1_1 = conv_leaky(64, 128)
        self.conv2 = conv_leaky(128, 128, stride=2)
        self.conv2_1 = conv_leaky(128, 128)
        self.predict_flow2 = conv(128, 2)
        self.deconv1 = deconv_leaky(128, 32)
        self.upsampled_flow2_to_1 = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.inter_conv1 = nn.Sequential(conv(162, 32))
        self.predict_flow1 = conv(32, 2)
        self.deconv0 = deconv_leaky(162, 16)
        self.upsampled_flow1_to_0 = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.inter_conv0 = nn.Sequential(conv(82, 16))
        self.predict_flow0 = conv(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels of evidence ``(N, 11, H, W)``."""
        encoded0 = self.conv0(x)
        encoded1 = self.conv1_1(self.conv1(encoded0))
        encoded2 = self.conv2_1(self.conv2(encoded1))
        flow2 = self.predict_flow2(encoded2)
        x1 = torch.cat((encoded1, self.deconv1(encoded2), self.upsampled_flow2_to_1(flow2)), 1)
        flow1 = self.predict_flow1(self.inter_conv1(x1))
        x0 = torch.cat((encoded0, self.deconv0(x1), self.upsampled_flow1_to_0(flow1)), 1)
        return in_float32(self.predict_flow0, self.inter_conv0(x0))


class FlowNet2(nn.Module):
    """FlowNetC, refined by two FlowNetS that see its warp, beside FlowNetSD; both fused."""

    def __init__(self) -> None:
        super().__init__()
        self.flownetc = FlowNetC()
        self.flownets_1 = FlowNetS(12, prediction_bias=True)
        self.flownets_2 = FlowNetS(12, prediction_bias=True)
        self.flownets_d = FlowNetSD()
        self.flownetfusion = FlowNetFusion()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow ``(N, 2, H, W)`` in pixels from the first frame to the second."""
        frames = torch.cat((first, second), 1)

        def brightness_error(flow: Tensor) -> tuple[Tensor, Tensor]:
            warped = backward_warp(second, flow)
            return warped, channel_norm(first - warped)

        def evidence(flow: Tensor) -> Tensor:
            warped, error = brightness_error(flow)
            return torch.cat((frames, warped, flow / FLOW_UNIT, error), 1)

        flow = resize(self.flownetc(first, second)[0] * FLOW_UNIT, 4)
        flow = resize(self.flownets_1(evidence(flow))[0] * FLOW_UNIT, 4)
        # From here on flows are upsampled by nearest neighbour, as in the published network.
        large = F.interpolate(self.flownets_2(evidence(flow))[0] * FLOW_UNIT, scale_factor=4.0, mode="nearest")
        # FlowNetSD was trained on flow scaled up, not down.
        small = F.interpolate(self.flownets_d(frames)[0] / FLOW_UNIT, scale_factor=4.0, mode="nearest")
        _, error_small = brightness_error(small)
        _, error_large = brightness_error(large)
        fused: Tensor = self.flownetfusion(
            torch.cat((first, small, large, channel_norm(small), channel_norm(large), error_small, error_large), 1)
        )
        return fused


def build(shapes: Shapes) -> FlowNet2:
    """FlowNet2; its form is fixed."""
    del shapes
    return FlowNet2()


def build_c(shapes: Shapes) -> FlowNetC:
    """FlowNet2-C; its form is fixed."""
    del shapes
    return FlowNetC()


def build_s(shapes: Shapes) -> FlowNetS:
    """FlowNet2-S: unlike the FlowNetS of others its predictions have biases."""
    del shapes
    return FlowNetS(prediction_bias=True)


def estimate(network: FlowNet2 | FlowNetC | FlowNetS, frame0: Tensor, frame1: Tensor) -> Tensor:
    """Flow in pixels at full size from RGB frames in [0, 1], by any of the three."""
    first, second = normalise(frame0, frame1)
    if isinstance(network, FlowNet2):
        return network(first, second)  # type: ignore[no-any-return]
    flows = network(first, second) if isinstance(network, FlowNetC) else network(torch.cat((first, second), 1))
    return resize(flows[0] * FLOW_UNIT, 4)
