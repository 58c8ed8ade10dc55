"""DAIN: any timestep from one estimate of motion and depth, and its published file."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.dain.backend import DAINBackend
from vsvfi.backends.dain.network import DAIN, ContextNet, build, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.nets.megadepth.network import MegaDepth
from vsvfi.nets.memc_net.blocks import KERNEL_TAPS, PixelPrediction, light_unet
from vsvfi.nets.pwcnet.network import PWCNet

PUBLISHED = (
    (r"^flow\.pyramid\.6\.0\.", "flownets.conv6aa."),
    (r"^flow\.pyramid\.6\.1\.", "flownets.conv6a."),
    (r"^flow\.pyramid\.(\d)\.0\.", r"flownets.conv\1a."),
    (r"^flow\.pyramid\.(\d)\.1\.", r"flownets.conv\1aa."),
    (r"^flow\.pyramid\.(\d)\.2\.", r"flownets.conv\1b."),
    (r"^flow\.levels\.(\d)\.dense\.(\d)\.", r"flownets.conv\1_\2."),
    (r"^flow\.levels\.(\d)\.predict\.", r"flownets.predict_flow\1."),
    (r"^flow\.levels\.(\d)\.upsample_flow\.", r"flownets.deconv\1."),
    (r"^flow\.levels\.(\d)\.upsample_features\.", r"flownets.upfeat\1."),
    *((rf"^flow\.context\.{index}\.", f"flownets.dc_conv{index + 1}.") for index in range(7)),
    (r"^depth\.", "depthNet."),
    (r"^filter\.trunk\.", "initScaleNets_filter."),
    (r"^filter\.heads\.0\.", "initScaleNets_filter1."),
    (r"^filter\.heads\.1\.", "initScaleNets_filter2."),
    (r"^context\.", "ctxNet."),
    (r"^rectification\.", "rectifyNet."),
)


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    return example("dain").eval().requires_grad_(False)


@pytest.fixture
def plain(network: Any) -> Any:
    """Without motion, with kernels that do nothing, and without correction: what is left is the warping."""
    for level in network.flow.levels.values():
        level.predict.weight.zero_()
        level.predict.bias.zero_()
    network.flow.context[-1].weight.zero_()
    network.flow.context[-1].bias.zero_()
    for head in network.filter.heads:
        head[2].weight.zero_()
        head[2].bias.zero_()
        head[2].bias[[5, 6, 9, 10]] = 1
    network.rectification.block5[0].weight.zero_()
    network.rectification.block5[0].bias.zero_()
    return network


def run(network: Any, frame0: Tensor, frame1: Tensor, *timesteps: float, scale: Fraction = Fraction(1)) -> Tensor:
    """The new frames as the engine gets them."""
    backend = DAINBackend(registry.find("dain"), network, Options(flow_scale=scale))
    frames = (frame0, frame1)
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    return backend.synthesize(state, torch.tensor(timesteps))


def test_still_picture_comes_back(plain: Any) -> None:
    """At every time."""
    frame = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(run(plain, frame, frame, 0.1, 0.5, 0.9), frame.expand(3, -1, -1, -1))


def test_flow_is_shared_out_by_time(plain: Any) -> None:
    """Each frame is read behind the part of its flow that leads to the new frame, and weighs by its nearness."""
    plain.flow.levels["2"].predict.bias[0] = 4 / 20
    ramp = torch.linspace(0, 1, 128).expand(1, 3, 64, 128)
    result = run(plain, ramp, ramp, 0.25, 0.5)
    for frame, t in zip(result, (0.25, 0.5), strict=True):
        expected = ramp[0] - 8 * t * (1 - t) / 127
        torch.testing.assert_close(frame[..., 8:-8], expected[..., 8:-8], atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(2)])
def test_smaller_motion_is_in_pixels_of_full_size(plain: Any, scale: Fraction) -> None:
    """Estimated at half the size, the same prediction means twice the motion; depth comes back at full size."""
    plain.flow.levels["2"].predict.bias.copy_(torch.tensor([4 / 20, -2 / 20]))
    frame = torch.rand(1, 3, 128, 128)
    encoded = plain.encode(frame, float(scale))
    assert encoded.log_depth.shape == (1, 1, 128, 128)
    flow = plain.synthesize(plain.prepare((frame, frame), (encoded, encoded)), 0.5).flows[0]
    expected = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 128, 128) / float(scale)
    torch.testing.assert_close(flow, expected)


def test_time_runs_both_ways(network: Any) -> None:
    """Before the networks that tell the frames apart, turning time round changes nothing."""
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    network.filter.heads[1].load_state_dict(network.filter.heads[0].state_dict())
    network.filter.trunk[0].weight[:, 3:] = network.filter.trunk[0].weight[:, :3]
    forward = network.prepare((frame0, frame1), (network.encode(frame0), network.encode(frame1)))
    backward = network.prepare((frame1, frame0), (network.encode(frame1), network.encode(frame0)))
    there, back = network.synthesize(forward, 0.25), network.synthesize(backward, 0.75)
    torch.testing.assert_close(there.blend, back.blend, atol=1e-5, rtol=1e-4)


def test_all_but_the_warping_is_done_once(network: Any) -> None:
    """Seven frames between two cost one estimate of flow, kernels and contexts, and one depth a frame."""
    calls: Counter[str] = Counter()
    for name in ("flow.levels.2.dense", "depth", "context", "filter", "rectification.block1"):
        network.get_submodule(name).register_forward_hook(lambda *_, name=name: calls.update([name]))
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    run(network, frame0, frame1, *(k / 8 for k in range(1, 8)))
    assert calls == {"flow.levels.2.dense": 1, "depth": 2, "context": 2, "filter": 1, "rectification.block1": 7}


def test_coordinates_stay_in_float32(network: Any) -> None:
    """Under autocast contexts are halves; flows, to the last bit, depth and kernels are not."""
    frame = torch.rand(1, 3, 64, 64)
    encoded = network.encode(frame)
    exact = network.prepare((frame, frame), (encoded, encoded)).flows
    with torch.autocast("cpu", torch.bfloat16):
        encoded = network.encode(frame)
        pair = network.prepare((frame, frame), (encoded, encoded))
    assert {context.dtype for context in pair.contexts} == {torch.bfloat16}
    assert {part.dtype for part in (*pair.flows, *pair.proximity, *pair.kernels)} == {torch.float32}
    for flow, expected in zip(pair.flows, exact, strict=True):
        torch.testing.assert_close(flow, expected, atol=0, rtol=0)


def test_published_names() -> None:
    """Recognised by the names and shapes of the published file, which bundles flow and depth networks."""
    with torch.device("meta"):
        network = DAIN(
            flow=PWCNet(),
            depth=MegaDepth(),
            context=ContextNet(),
            filter=PixelPrediction(light_unet(norm=False, align_corners=False), KERNEL_TAPS),
        )
        state = network.state_dict()
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        assert build(shapes).state_dict().keys() == shapes.keys()
    names = {name: tuple(value.shape) for name, value in published.rename(state, PUBLISHED).items()}
    names |= {"flownets.deconv2.weight": (2, 2, 4, 4), "flownets.deconv2.bias": (2,)}
    names |= {"depthNet.1.num_batches_tracked": ()}
    found = weights.recognise(names)
    assert [info.name for info, _ in found] == ["dain"]
    assert {found[0][1].our_name(name) for name in names} - {None} == shapes.keys()


def test_non_commercial_weights_say_so() -> None:
    """They were fine-tuned from PWC-Net's."""
    info = registry.find("dain")
    assert not info.commercial_use
    assert "CC BY-NC-SA" in info.weights_license
