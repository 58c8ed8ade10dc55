"""The FlowNet2 family: units of the flows, and what the fusion network is shown."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vsvfi.models.registry import networks
from vsvfi.nets.flownet2.network import build, build_c, build_s, estimate, normalise


def zeros(make: object) -> Any:
    """A network all of whose parameters are zero, made without initialising them first."""
    assert callable(make)
    with torch.device("meta"):
        network = make({})
    network.to_empty(device="cpu").requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    return network.eval()


@pytest.mark.parametrize("make", [build_c, build_s])
def test_flows_count_twenty_pixels(make: object) -> None:
    """A prediction of 0.1 at a quarter of the size is a flow of two pixels at full size."""
    network = zeros(make)
    network.predict_flow2.bias.copy_(torch.tensor([0.1, -0.2]))
    flow = estimate(network, torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    torch.testing.assert_close(flow, torch.tensor([2.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64))


def test_normalisation_takes_the_mean_of_both_frames() -> None:
    """One mean a channel for the pair, so a change of brightness stays visible."""
    first, second = normalise(torch.full((1, 3, 2, 2), 0.2), torch.full((1, 3, 2, 2), 0.6))
    torch.testing.assert_close(first, torch.full((1, 3, 2, 2), -0.2))
    torch.testing.assert_close(second, torch.full((1, 3, 2, 2), 0.2))


def test_fusion_sees_both_flows_in_pixels() -> None:
    """FlowNet2's last network gets the small flow divided by 20, the large one times 20, and what they leave."""
    network = zeros(build)
    network.flownets_d.predict_flow2.bias[0] = 20.0
    network.flownets_2.predict_flow2.bias[1] = 0.1
    network.flownetfusion.predict_flow0.bias[1] = 3.0
    seen: list[Tensor] = []
    network.flownetfusion.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    first, second = normalise(torch.rand(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.5))
    flow = network(first, second)
    torch.testing.assert_close(flow, torch.tensor([0.0, 3.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64))
    evidence = seen[0]
    assert evidence.shape == (1, 11, 64, 64)
    torch.testing.assert_close(evidence[:, :3], first)
    small, large = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(evidence[0, 3:9, 5, 7], torch.cat((small, large, torch.tensor([1.0, 2.0]))))
    # The second frame is flat, so both warps give it back.
    error = (first - second).norm(dim=1)
    torch.testing.assert_close(evidence[:, 9], error)
    torch.testing.assert_close(evidence[:, 10], error)


@pytest.mark.parametrize(
    ("name", "make", "parameters"),
    [("flownet2", build, 162_518_834), ("flownet2-c", build_c, 39_175_298), ("flownet2-s", build_s, 38_676_506)],
)
def test_published_sizes(name: str, make: object, parameters: int) -> None:
    """Each has its published number of parameters, and no other network is taken for it."""
    assert callable(make)
    with torch.device("meta"):
        state = make({}).state_dict()
    assert sum(value.numel() for value in state.values()) == parameters
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    recognised = [info.name for info in networks().values() if any(layout.matches(shapes) for layout in info.layouts)]
    assert recognised == [name]
