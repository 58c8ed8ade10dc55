"""The networks of Super SloMo (arXiv 1712.00080, figure 4): flow computation, then flow interpolation at t."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv, in_float32
from vsvfi.nets.geometry import pixel_grid, resize
from vsvfi.ops import backward_warp

__all__ = ["Place", "Refined", "SuperSloMo", "UNet", "build", "create", "example"]


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


class _Down(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, kernel_size)
        self.conv2 = conv(out_channels, out_channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        return _leaky(self.conv2(_leaky(self.conv1(F.avg_pool2d(x, 2)))))


class _Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels)
        self.conv2 = conv(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return _leaky(self.conv2(torch.cat((_leaky(self.conv1(resize(x, 2))), skip), 1)))


class UNet(nn.Module):
    """The U-Net that both parts of the model have; H and W are multiples of 32.

    ``width`` is the number of channels at full size; they double down to a sixteenth.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 32) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, width, 7)
        self.conv2 = conv(width, width, 7)
        self.down1 = _Down(width, 2 * width, 5)
        self.down2 = _Down(2 * width, 4 * width, 3)
        self.down3 = _Down(4 * width, 8 * width, 3)
        self.down4 = _Down(8 * width, 16 * width, 3)
        self.down5 = _Down(16 * width, 16 * width, 3)
        self.up1 = _Up(16 * width, 16 * width)
        self.up2 = _Up(16 * width, 8 * width)
        self.up3 = _Up(8 * width, 4 * width)
        self.up4 = _Up(4 * width, 2 * width)
        self.up5 = _Up(2 * width, width)
        self.conv3 = conv(width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``, float32."""
        s1 = _leaky(self.conv2(_leaky(self.conv1(x))))
        s2 = self.down1(s1)
        s3 = self.down2(s2)
        s4 = self.down3(s3)
        s5 = self.down4(s4)
        x = self.up1(self.down5(s5), s5)
        x = self.up2(x, s4)
        x = self.up3(x, s3)
        x = self.up4(x, s2)
        x = self.up5(x, s1)
        # The checkpoints were trained with the activation on the output too: negative flows shrink to a tenth.
        return _leaky(in_float32(self.conv3, x))


class Refined(NamedTuple):
    """What the flow interpolation network gives at t: flows ``(N, 2, H, W)`` and visibility ``(N, 1, H, W)``."""

    flow_t0: Tensor
    flow_t1: Tensor
    visibility0: Tensor


class Place(NamedTuple):
    """Where images lie in the frame whose pixels are counted: its size, and their upper left corner in it."""

    height: int
    width: int
    top: int = 0
    left: int = 0


def _warp(image: Tensor, flow: Tensor, place: Place) -> Tensor:
    """Sample at ``flow``; coordinates are normalised by the size where the sampler counts size - 1."""
    size = flow.new_tensor((place.width, place.height)).view(1, 2, 1, 1)
    corner = flow.new_tensor((place.left, place.top)).view(1, 2, 1, 1)
    position = pixel_grid(image.shape[-2], image.shape[-1], flow.device) + corner + flow
    # Position p is read at p * (size - 1) / size, as the published weights expect: no flow is not the identity.
    return backward_warp(image, flow - position / size, border="zeros")


class SuperSloMo(nn.Module):
    """Frames are RGB in [0, 1] less the mean colour of the training data; H and W are multiples of 32."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.flow = UNet(6, 4, width)
        self.refinement = UNet(20, 5, width)

    def prepare(self, frame0: Tensor, frame1: Tensor) -> Tensor:
        """Flow 0 to 1 and flow 1 to 0, ``(N, 4, H, W)`` in pixels."""
        flows: Tensor = self.flow(torch.cat((frame0, frame1), 1))
        return flows

    def refine(self, frame0: Tensor, frame1: Tensor, flows: Tensor, t: Tensor, place: Place) -> Refined:
        """Flows from time ``t`` ``(N, 1, 1, 1)`` to both frames, and where the first is visible (section 3.2)."""
        flow01, flow10 = flows[:, :2], flows[:, 2:]
        # As if motion were locally smooth: flow from t is a blend of flow from either end.
        flow_t0 = -t * (1 - t) * flow01 + t * t * flow10
        flow_t1 = (1 - t) * (1 - t) * flow01 - t * (1 - t) * flow10
        warped0, warped1 = _warp(frame0, flow_t0, place), _warp(frame1, flow_t1, place)
        residual = self.refinement(torch.cat((frame0, frame1, flows, flow_t1, flow_t0, warped1, warped0), 1))
        return Refined(flow_t0 + residual[:, 0:2], flow_t1 + residual[:, 2:4], torch.sigmoid(residual[:, 4:5]))

    def blend(self, frame0: Tensor, frame1: Tensor, refined: Refined, t: Tensor, place: Place) -> Tensor:
        """The new frame: both frames, warped and weighed by time and visibility."""
        weight0 = (1 - t) * refined.visibility0
        weight1 = t * (1 - refined.visibility0)
        warped0, warped1 = _warp(frame0, refined.flow_t0, place), _warp(frame1, refined.flow_t1, place)
        return (weight0 * warped0 + weight1 * warped1) / (weight0 + weight1)

    def synthesize(self, frame0: Tensor, frame1: Tensor, flows: Tensor, t: Tensor, place: Place) -> Tensor:
        """The frame at ``t``, from the flows of `prepare`."""
        return self.blend(frame0, frame1, self.refine(frame0, frame1, flows, t, place), t, place)

    def forward(self, frame0: Tensor, frame1: Tensor, t: Tensor) -> Tensor:
        """The frame at ``t`` ``(N, 1, 1, 1)`` in (0, 1), ``(N, 3, H, W)``, not clamped."""
        place = Place(frame0.shape[-2], frame0.shape[-1])
        return self.synthesize(frame0, frame1, self.prepare(frame0, frame1), t, place)


def build(shapes: Shapes) -> SuperSloMo:
    """The network whose state dict has these shapes; the published one when there are none."""
    return SuperSloMo(shapes.get("flow.conv1.bias", (32,))[0])


def create(_name: str) -> SuperSloMo:
    """The untrained network at its published size."""
    return SuperSloMo()


def example(_name: str) -> SuperSloMo:
    """A very small untrained network."""
    return SuperSloMo(width=2)
