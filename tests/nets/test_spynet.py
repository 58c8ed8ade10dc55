"""SPyNet: its pyramid, its units, and its published file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import vsvfi
from vsvfi.models import weights
from vsvfi.nets.spynet.network import SPyNet, build, normalise


@pytest.fixture
def network() -> SPyNet:
    torch.manual_seed(0)
    return build({}).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("size", "heights"), [((64, 96), [16, 32, 64]), ((20, 30), [20]), ((256, 448), [32, 64, 128, 256])]
)
def test_pyramid_stops_at_small_levels(network: SPyNet, size: tuple[int, int], heights: list[int]) -> None:
    """Levels are halved while one side is above 32, at most three times."""
    assert [level.shape[2] for level in network.pyramid(torch.zeros(1, 3, *size))] == heights


def test_levels_add_up(network: SPyNet) -> None:
    """With a constant residual of one pixel on every level the flow is 1 + 2 + 4 pixels, at odd sizes, too."""
    levels: Any = network.levels
    for level in levels:
        level[-1].weight.zero_()
        level[-1].bias.copy_(torch.tensor([1.0, -1.0]))
    flow = network(torch.rand(1, 3, 45, 67), torch.rand(1, 3, 45, 67))
    expected = torch.tensor([7.0, -7.0]).view(1, 2, 1, 1).expand(1, 2, 45, 67)
    torch.testing.assert_close(flow, expected, atol=1e-4, rtol=0)


def test_normalisation() -> None:
    """ImageNet's mean becomes zero, one standard deviation more becomes one."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    frame = torch.stack((mean, mean + std)).view(2, 3, 1, 1)
    torch.testing.assert_close(normalise(frame)[:, :, 0, 0], torch.tensor([[0.0] * 3, [1.0] * 3]))


def test_published_file(network: SPyNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the six published levels the first four are taken, and ``vsvfi.flow`` runs them at any size."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = {
        f"moduleBasic.{level}.moduleBasic.{name}": value + level
        for level in range(6)
        for name, value in network.levels[0].state_dict().items()
    }
    torch.save(state, tmp_path / "network-sintel-final.pytorch")
    assert weights.add(tmp_path / "network-sintel-final.pytorch").model == "spynet"
    flow: Any = vsvfi.flow("spynet")
    assert len(flow.network.levels) == 4
    torch.testing.assert_close(flow.network.levels[3][0].bias, state["moduleBasic.3.moduleBasic.0.bias"])
    assert flow(torch.rand(1, 3, 33, 41), torch.rand(1, 3, 33, 41)).shape == (1, 2, 33, 41)
