"""All-pairs correlation in bounded memory."""

from __future__ import annotations

import pytest
import torch

from vsvfi.nets import correlation
from vsvfi.nets.correlation import AllPairs
from vsvfi.nets.flowformer.network import FlowFormer
from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.raft.network import RAFT


@pytest.mark.parametrize(("samples", "timesteps"), [(1, 3), (2, 2)])
def test_tiles_give_what_the_volume_gives(samples: int, timesteps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Correlations that are computed again for each look-up are those that were kept."""
    torch.manual_seed(0)
    first, second = torch.randn(2, samples, 4, 9, 11)
    coords = pixel_grid(9, 11) + 3 * torch.randn(timesteps, 2, 9, 11)
    kept = AllPairs.of(first, second)
    monkeypatch.setattr(correlation, "KEPT_BYTES", 0)
    monkeypatch.setattr(correlation, "TILE_BYTES", 2 * samples * 11 * 9 * 11 * 4)
    again = AllPairs.of(first, second)
    assert again.kept is None
    assert [rows.start for rows, _ in again.tiles()] == [0, 2, 4, 6, 8]
    torch.testing.assert_close(again.lookup(coords, radius=2), kept.lookup(coords, radius=2))


@pytest.mark.parametrize("kind", ["raft", "flowformer"])
def test_flow_without_a_kept_volume(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimator gives the same flow whether the volume is kept or not, in a batch too."""
    torch.manual_seed(0)
    network = RAFT(width=4, iterations=2) if kind == "raft" else FlowFormer(width=16, iterations=2)
    network.eval().requires_grad_(False)
    frames = torch.rand(2, 2, 3, 64, 72, generator=torch.Generator().manual_seed(0))
    expected = network(*frames)
    monkeypatch.setattr(correlation, "KEPT_BYTES", 0)
    monkeypatch.setattr(correlation, "TILE_BYTES", 3 * 9 * 8 * 9 * 4)
    torch.testing.assert_close(network(*frames), expected, atol=1e-4, rtol=1e-4)
