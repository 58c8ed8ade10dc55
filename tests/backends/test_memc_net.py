"""MEMC-Net: which flow warps which frame, its published slips, and its published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.memc_net.network import (
    MEMCNet,
    Motion,
    SPyNetOnSwappedStatistics,
    build,
    example,
    plain_rectification,
)
from vsvfi.models import registry, weights
from vsvfi.nets.flownets.network import FlowNetS
from vsvfi.nets.memc_net.blocks import EDSR, KERNEL_TAPS, ContextNet, PixelPrediction, deep_unet, light_unet

MODELS = ("memc-net", "memc-net-s", "memc-net-star")

PUBLISHED = (
    (r"^flow\.levels\.(\d)\.", r"flownets.moduleBasic.\1.moduleBasic."),
    (r"^flow\.", "flownets."),
    (r"^(filter|occlusion)\.trunk\.", r"initScaleNets_\1."),
    (r"^(filter|occlusion)\.heads\.0\.", r"initScaleNets_\g<1>1."),
    (r"^(filter|occlusion)\.heads\.1\.", r"initScaleNets_\g<1>2."),
    (r"^context\.", "ctxNet."),
    (r"^rectification\.(head|tail)\.", r"rectifyNet.\1.0."),
    (r"^rectification\.body\.(\d+)\.conv1\.", r"rectifyNet.body.\1.body.0."),
    (r"^rectification\.body\.(\d+)\.conv2\.", r"rectifyNet.body.\1.body.2."),
    (r"^rectification\.", "rectifyNet."),
)


def full(model: str) -> MEMCNet:
    """The network at its published size."""
    if model == "memc-net-s":
        network = MEMCNet(
            flow=SPyNetOnSwappedStatistics(),
            filter=PixelPrediction(light_unet(norm=True, align_corners=True), KERNEL_TAPS),
            occlusion=None,
            context=None,
            rectification=plain_rectification(41),
        )
    else:
        star = model == "memc-net-star"
        network = MEMCNet(
            flow=FlowNetS(),
            filter=PixelPrediction(deep_unet(norm=not star), KERNEL_TAPS),
            occlusion=PixelPrediction(deep_unet(norm=not star), 1),
            context=ContextNet() if star else None,
            rectification=EDSR(169) if star else plain_rectification(41),
        )
    return network.eval().requires_grad_(False)


def small(model: str) -> Any:
    """A narrow network that blends and corrects nothing: kernels that do nothing, equal parts of both frames."""
    torch.manual_seed(0)
    network: Any = example(model).eval().requires_grad_(False)
    for module in (network.filter, network.occlusion):
        for head in module.heads if module is not None else ():
            head[2].weight.zero_()
            head[2].bias.zero_()
    for head in network.filter.heads:
        head[2].bias[[5, 6, 9, 10]] = 1
    last = network.rectification.tail if model == "memc-net-star" else network.rectification[-1]
    last.weight.zero_()
    last.bias.zero_()
    return network


def constant(x: float, size: int = 64) -> Tensor:
    """The same horizontal flow everywhere."""
    flow = torch.zeros(1, 2, size, size)
    flow[:, 0] = x
    return flow


@pytest.mark.parametrize("model", MODELS)
def test_frames_are_warped_by_their_own_flow_and_averaged(model: str) -> None:
    """Frame 0 is read where its projected flow points, frame 1 where its own does."""
    network = small(model)
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    kernels = network.filter(torch.zeros(1, 6, 64, 64))
    occlusion = None if model == "memc-net-s" else (torch.tensor(0.75).expand(1, 1, 64, 64),) * 2
    projected = (constant(-2.0), constant(3.0))
    motion = Motion((constant(2.0), constant(-3.0)), projected, (kernels[0], kernels[1]), occlusion)
    result = network.synthesize(ramp, 1 - ramp, motion).out
    part = 0.5 if occlusion is None else 0.75
    expected = part * (ramp - 2 / 63) + part * (1 - ramp - 3 / 63)
    torch.testing.assert_close(result[..., 4:-4], expected[..., 4:-4], atol=1e-5, rtol=0)


def test_motion_is_projected_to_the_middle() -> None:
    """SPyNet's flow is halved and turned round; its residuals are those of the levels that a frame has."""
    network = small("memc-net-s")
    for level in network.flow.levels:
        level[-1].weight.zero_()
        level[-1].bias.zero_()
    network.flow.levels[1][-1].bias[0] = 4.0  # the finest of the two levels of 64 pixels
    frame = torch.rand(1, 3, 64, 64)
    motion = network.prepare(frame, frame)
    for flow, projected in zip(motion.flows, motion.projected, strict=True):
        torch.testing.assert_close(flow, constant(2.0))
        torch.testing.assert_close(projected, constant(-2.0))


def test_smaller_flow_is_in_pixels_of_full_size() -> None:
    """Estimated at half the size, the same prediction means twice the motion."""
    network = small("memc-net-s")
    for level in network.flow.levels:
        level[-1].weight.zero_()
        level[-1].bias.zero_()
    network.flow.levels[1][-1].bias[0] = 4.0
    frame = torch.rand(1, 3, 128, 128)
    motion = network.prepare(frame, frame, flow_scale=0.5)
    torch.testing.assert_close(motion.flows[0], constant(4.0, 128))


@pytest.mark.parametrize("model", MODELS)
def test_flow_is_not_rounded(model: str) -> None:
    """Under autocast kernels may lose bits, flows do not."""
    torch.manual_seed(0)
    network = example(model).eval().requires_grad_(False)
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    exact = network.prepare(frame0, frame1)
    with torch.autocast("cpu", torch.bfloat16):
        low = network.prepare(frame0, frame1)
    for flow, expected in zip(low.flows, exact.flows, strict=True):
        torch.testing.assert_close(flow, expected, atol=0, rtol=0)
    assert {part.dtype for part in (*low.projected, *low.kernels)} == {torch.float32}
    assert not torch.equal(low.kernels[0], exact.kernels[0])


def test_missing_maps_are_the_first_tap() -> None:
    """MEMC-Net_s shows its rectification the first tap of the first kernel twice, where the others show their maps."""
    network = small("memc-net-s")
    seen: list[Tensor] = []
    network.rectification.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    kernels = (torch.rand(1, 16, 64, 64), torch.rand(1, 16, 64, 64))
    motion = Motion((constant(0), constant(0)), (constant(0), constant(0)), kernels, None)
    network.synthesize(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), motion)
    torch.testing.assert_close(seen[0][:, 39:], kernels[0][:, :1].repeat(1, 2, 1, 1))


def test_colours_are_normalised_as_trained() -> None:
    """Red gets blue's statistics, and the channels are turned round afterwards."""
    network = SPyNetOnSwappedStatistics()
    seen: list[Tensor] = []
    network.levels[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    frame = torch.tensor([0.406 + 0.225, 0.456, 0.485 + 2 * 0.229]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    with torch.no_grad():
        network(frame, frame)
    torch.testing.assert_close(seen[0][0, :3, 5, 5], torch.tensor([2.0, 0.0, 1.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("model", "parameters"), [("memc-net-star", 70_312_501), ("memc-net", 67_260_469), ("memc-net-s", 7_204_367)]
)
def test_published_size(model: str, parameters: int) -> None:
    """Each is recognised by its published names alone, and rebuilt from its shapes."""
    with torch.device("meta"):
        network = full(model)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        assert build(shapes).state_dict().keys() == shapes.keys()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    names = published.rename(network.state_dict(), PUBLISHED)
    found = weights.recognise({name: tuple(value.shape) for name, value in names.items()})
    assert [info.name for info, _ in found] == [model]
    assert {found[0][1].our_name(name) for name in names} == shapes.keys()


def test_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files were written before batch norms had counters; newer copies have them."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    network = full("memc-net-s")
    state = published.rename(network.state_dict(), PUBLISHED)
    assert not any("num_batches_tracked" in name for name in state)
    assert published.add(tmp_path, "MEMC-Net_s_best.pth", state).model == "memc-net-s"
    published.assert_same(network, published.load("memc-net-s"))
    counted = state | {"initScaleNets_filter.4.num_batches_tracked": torch.tensor(3)}
    assert published.add(tmp_path, "newer.pth", counted).model == "memc-net-s"


def test_midpoint_only() -> None:
    """The registry says so; the engine halves where more is asked for."""
    assert {registry.find(model).timesteps for model in MODELS} == {"midpoint"}
