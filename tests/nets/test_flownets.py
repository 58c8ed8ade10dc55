"""FlowNetS: units of the flow, and which published file it is."""

from __future__ import annotations

from typing import Any

import torch

from vsvfi.models.registry import networks
from vsvfi.nets.flownets.network import FlowNetS, build, estimate


def test_predictions_count_twenty_pixels() -> None:
    """A prediction of 0.1 at a quarter of the size is a flow of two pixels at full size."""
    network: Any = FlowNetS(prediction_bias=True, width=2).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    network.predict_flow2.bias.copy_(torch.tensor([0.1, -0.2]))
    flow = estimate(network, torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    torch.testing.assert_close(flow, torch.tensor([2.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64))


def test_upsampling_meets_the_corners() -> None:
    """The corners of the flow at full size are the corners of the one at a quarter of it."""
    torch.manual_seed(0)
    network = FlowNetS(width=2).eval().requires_grad_(False)
    frame0, frame1 = torch.rand(2, 1, 3, 64, 128)
    flow, small = estimate(network, frame0, frame1), network(torch.cat((frame0, frame1), 1))[0]
    torch.testing.assert_close(flow[..., [0, -1]][..., [0, -1], :], 20 * small[..., [0, -1]][..., [0, -1], :])


def test_flow_stays_in_float32() -> None:
    """Under autocast too."""
    network = FlowNetS(width=2).eval().requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        assert {flow.dtype for flow in network(torch.rand(1, 6, 64, 64))} == {torch.float32}


def test_published_size() -> None:
    """Recognised with its 38,676,496 parameters, and not for FlowNet2-S, which has a few more."""
    with torch.device("meta"):
        state = FlowNetS().state_dict()
    assert sum(value.numel() for value in state.values()) == 38_676_496
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    recognised = [info.name for info in networks().values() if any(layout.matches(shapes) for layout in info.layouts)]
    assert recognised == ["flownets"]
    with torch.device("meta"):
        assert build(shapes).state_dict().keys() == state.keys()
