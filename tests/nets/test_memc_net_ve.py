"""MEMC-Net's parts, and its variant for video enhancement."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vsvfi.models.registry import enhancers
from vsvfi.nets.flownets.network import FlowNetS
from vsvfi.nets.memc_net.blocks import EDSR, KERNEL_TAPS, ContextNet, PixelPrediction, SkipNet, deep_unet, light_unet
from vsvfi.nets.memc_net.enhancement import MEMCNetVE, build


def small() -> MEMCNetVE:
    """A narrow untrained network."""
    torch.manual_seed(0)
    network = MEMCNetVE(
        flow=FlowNetS(width=2),
        filter=PixelPrediction(deep_unet(2, norm=True), KERNEL_TAPS, heads=1, width=2),
        context=ContextNet(4),
        rectification=EDSR(7 * (4 + 3) + 6 * (2 + KERNEL_TAPS), blocks=1, channels=4),
    )
    return network.eval().requires_grad_(False)


def test_skips_are_added_to_their_own_size() -> None:
    """What enters the first pooling comes back after the last upsampling."""
    net = SkipNet(nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2))
    x = torch.arange(16.0).view(1, 1, 4, 4)
    pooled = torch.tensor([[5.0, 7.0], [13.0, 15.0]]).view(1, 1, 2, 2)
    grown = (15 + pooled).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(net(x), x + grown)


@pytest.mark.parametrize(
    ("trunk", "last", "shape"),
    [
        (deep_unet(norm=False), "54.weight", (16, 32, 3, 3)),
        (deep_unet(norm=True), "64.weight", (16, 32, 3, 3)),
        (light_unet(norm=False, align_corners=False), "32.weight", (16, 32, 3, 3)),
        (light_unet(norm=True, align_corners=True), "43.running_var", (16,)),
    ],
)
def test_layers_are_numbered_as_published(trunk: SkipNet, last: str, shape: tuple[int, ...]) -> None:
    """The number of the last layer counts every other one."""
    state = trunk.state_dict()
    assert tuple(state[last].shape) == shape
    assert max(int(name.partition(".")[0]) for name in state) == int(last.partition(".")[0])


def test_context_subtracts_one_mean_from_all_channels() -> None:
    """The slip that the weights were trained with: grey of 0.485 is zero in every channel."""
    net = ContextNet(2).requires_grad_(False)
    assert net(torch.full((1, 3, 8, 8), 0.485)).abs().max() == 0
    net.conv1.weight.zero_()
    net.conv1.weight[0, :, 3, 3] = 1
    expected = 1 / 0.229 + 2 / 0.224
    assert net(torch.full((1, 3, 8, 8), 1.485))[0, 0, 4, 4].item() == pytest.approx(expected, rel=1e-5)


def test_enhancement_sees_each_neighbour_beside_the_middle() -> None:
    """Pairs are (middle, neighbour) in the order of time, for every sample of a batch."""
    network = small()
    seen: list[Tensor] = []
    network.flow.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    frames = torch.arange(14.0).view(7, 2, 1, 1, 1).expand(7, 2, 3, 64, 64) / 14
    result = network(frames)
    assert result.out.shape == (2, 3, 64, 64)
    assert result.flows.shape == (12, 2, 16, 16)
    pairs = (seen[0][:, [0, 3], 0, 0] * 14).round().long().tolist()
    assert pairs == [[6 + sample, 2 * index + sample] for index in (0, 1, 2, 4, 5, 6) for sample in (0, 1)]


def test_enhancement_shows_all_frames_to_the_rectification() -> None:
    """Without motion and with kernels that do nothing, the seven frames arrive in the order of time, last."""
    network: Any = small()
    for name, parameter in network.named_parameters():
        if name.startswith(("flow.predict", "flow.upsampled", "filter.heads.0.2", "rectification.tail")):
            parameter.zero_()
    network.filter.heads[0][2].bias[[5, 6, 9, 10]] = 1
    seen: list[Tensor] = []
    network.rectification.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    frames = torch.rand(7, 1, 3, 64, 64)
    torch.testing.assert_close(network(frames).out, frames[3])
    torch.testing.assert_close(seen[0][:, -21:], frames.transpose(0, 1).flatten(1, 2))


def test_published_size() -> None:
    """56,619,491 parameters, recognised by the names they are published under."""
    info = enhancers()["memc-net-ve"]
    with torch.device("meta"):
        network = MEMCNetVE(
            flow=FlowNetS(),
            filter=PixelPrediction(deep_unet(norm=True), KERNEL_TAPS, heads=1),
            context=ContextNet(),
            rectification=EDSR(577),
        )
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        assert build(shapes).state_dict().keys() == shapes.keys()
    assert sum(parameter.numel() for parameter in network.parameters()) == 56_619_491
    assert len(info.checkpoints) == 3
