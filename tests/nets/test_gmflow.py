"""GMFlow: its windows, its matching, both directions at once, and its published file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.models import weights
from vsvfi.nets import gmflow
from vsvfi.nets.gmflow import network as module
from vsvfi.nets.gmflow.network import GMFlow, build
from vsvfi.nets.gmflow.transformer import _window_attention, position_code


@pytest.fixture
def network() -> GMFlow:
    torch.manual_seed(0)
    return GMFlow(channels=16, layers=2).eval().requires_grad_(False)


def rolled_attention(query: Tensor, key: Tensor, value: Tensor, windows: int) -> Tensor:
    """Shifted windows as the paper has them: maps rolled around, pairs from either side of the border masked."""
    n, height, width, channels = query.shape
    a, b = height // windows, width // windows
    shift = (a // 2, b // 2)

    def cut(x: Tensor) -> Tensor:
        x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
        x = x.view(n, windows, a, windows, b, -1).transpose(2, 3)
        return x.reshape(n * windows**2, a * b, -1)

    y, x = torch.arange(height).roll(-shift[0]), torch.arange(width).roll(-shift[1])
    wrapped = torch.stack(((y < shift[0])[:, None].expand(-1, width), (x < shift[1]).expand(height, -1)), -1)
    labels = cut(wrapped.roll(shift, (0, 1)).expand(n, -1, -1, -1).float())
    differ = (labels[:, :, None] != labels[:, None]).any(-1)
    scores = cut(query) @ cut(key).transpose(1, 2) / channels**0.5 - 100 * differ
    found = (torch.softmax(scores, -1) @ cut(value)).view(n, windows, windows, a, b, channels)
    return found.transpose(2, 3).reshape(query.shape).roll(shift, (1, 2))


@pytest.mark.parametrize(("windows", "height", "width"), [(2, 4, 8), (2, 6, 10), (4, 4, 12), (8, 8, 8), (4, 20, 12)])
def test_shifted_windows(windows: int, height: int, width: int) -> None:
    """Windows that end at the border see what rolled and masked ones see, of odd sizes and of one pixel too."""
    query, key, value = torch.randn(3, 2, height, width, 6, generator=torch.Generator().manual_seed(1))
    found = _window_attention(query, key, value, windows, shifted=True)
    torch.testing.assert_close(found, rolled_attention(query, key, value, windows), atol=1e-6, rtol=1e-5)


def test_position_code_belongs_to_a_window() -> None:
    """Its last row and column are a whole turn from none: sin 0 and cos 1 in the channels of the lowest divisor."""
    code = position_code(3, 5, 8, torch.device("cpu"))
    torch.testing.assert_close(code[2, 4, :2], torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(code[2, 4, 4:6], torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0)
    assert torch.equal(code[:, 0, :4], code[:, 4, :4]), "the first half of the channels is the row's"


def distinct(height: int, width: int) -> Tensor:
    """Features of which no two positions are alike."""
    return 30 * functional.normalize(
        torch.randn(1, 64, height, width, generator=torch.Generator().manual_seed(2)), dim=1
    )


def test_global_matching_finds_a_shift(network: GMFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far; and how many scores are held at once makes no difference."""
    features = distinct(6, 8)
    flow = network.match_globally(features, features.roll((1, -3), (2, 3)))
    expected = torch.tensor([-3.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 5, 5)
    torch.testing.assert_close(flow[..., :5, 3:], expected, atol=1e-3, rtol=0)
    monkeypatch.setattr(module, "SCORES", 7 * 48)
    torch.testing.assert_close(network.match_globally(features, features.roll((1, -3), (2, 3))), flow)


def test_local_matching_finds_a_shift_within_its_reach(network: GMFlow) -> None:
    """And where nothing fits, at the borders, it stays within the map."""
    features = distinct(12, 12)
    flow = network.match_locally(features, features.roll((2, -4), (2, 3)))
    expected = torch.tensor([-4.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 10, 8)
    torch.testing.assert_close(flow[..., :10, 4:], expected, atol=1e-3, rtol=0)
    corner = network.match_locally(distinct(12, 12), torch.zeros(1, 64, 12, 12))[0, :, 0, 0]
    torch.testing.assert_close(corner, torch.tensor([2.0, 2.0]))


def test_neighbours_beyond_the_border_take_part(network: GMFlow) -> None:
    """With no preference, a corner's flow is the mean over nine neighbours, five of which lie outside and are 0."""
    for parameter in network.feature_flow_attn.parameters():
        parameter.zero_()
    flow = network.feature_flow_attn(torch.rand(1, 16, 4, 4), torch.ones(1, 2, 4, 4), everywhere=False)
    torch.testing.assert_close(flow[0, 0, 0, 0], torch.tensor(4 / 9))
    torch.testing.assert_close(flow[0, 0, 1, 1], torch.tensor(1.0))


def test_both_directions_at_once(network: GMFlow) -> None:
    """`flows` gives what `flow` gives there and back, also for several pairs."""
    first, second = (network.encode(frames) for frames in torch.rand(2, 2, 3, 64, 96))
    flow01, flow10 = network.flows(first, second)
    torch.testing.assert_close(flow01, network.flow(first, second), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(flow10, network.flow(second, first), atol=1e-3, rtol=1e-4)


def test_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authors keep the state dict beside the step; the one without refinement is another network."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = GMFlow(channels=16, layers=6)
    path = tmp_path / "gmflow_with_refine_things-36579974.pth"
    torch.save({"model": network.state_dict(), "step": 1}, path)
    stored = weights.add(path)
    assert (stored.model, stored.name) == ("gmflow", "things")
    loaded = weights.load(gmflow.INFOS[0]).state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded[name], value, atol=0, rtol=0)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert not gmflow.INFOS[0].layouts[0].matches({**shapes, "upsampler.2.weight": (9 * 8 * 8, 32, 1, 1)})


def test_published_size() -> None:
    """The published network has 4716720 parameters."""
    shapes = {"feature_flow_attn.q_proj.bias": (128,), **{f"transformer.layers.{n}.x": (1,) for n in range(6)}}
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build(shapes).parameters()) == 4_716_720
