"""MegaDepth: its published file, and what DAIN makes of its depth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vsvfi
from vsvfi.models import weights
from vsvfi.nets.megadepth.network import MegaDepth, proximity


def test_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with ``module.`` before them, counters among them; ``vsvfi.depth`` runs it at any size."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    state = MegaDepth().state_dict()
    counters = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(7)
        for name in state
        if name.endswith("running_mean")
    }
    published = {f"module.{name}": value for name, value in (state | counters).items()}
    assert len(published) == 779
    torch.save(published, tmp_path / "best_generalization_net_G.pth")
    assert weights.add(tmp_path / "best_generalization_net_G.pth").model == "megadepth"
    depth = vsvfi.depth("megadepth")
    assert sum(parameter.numel() for parameter in depth.network.parameters()) == 5_357_153
    torch.testing.assert_close(depth.network.state_dict()["4.weight"], state["4.weight"], atol=0, rtol=0)
    assert depth(torch.rand(1, 3, 18, 35)).shape == (1, 1, 18, 35)


def test_sees_far() -> None:
    """A pixel's depth depends on the frame's far side: the hourglass narrows to a sixteenth."""
    torch.manual_seed(0)
    network = MegaDepth(8).eval().requires_grad_(False).double()
    frame = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    changed = frame.clone()
    changed[..., -16:] = 1 - changed[..., -16:]
    assert not torch.equal(network(frame)[..., 0], network(changed)[..., 0])


def test_near_things_weigh_more() -> None:
    """One over depth, and a little, from the logarithm."""
    log_depth = torch.tensor([2.0, 8.0]).log()
    torch.testing.assert_close(proximity(log_depth), torch.tensor([0.5, 0.125]) + 1e-6)
    assert proximity(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
