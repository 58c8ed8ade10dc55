"""Tiles: that they cover the frame, share what they should, and blend to what the whole frame gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.tiles import OVERLAP, RAMP, TiledBackend, split
from vsvfi.models import registry
from vsvfi.models.info import BackendInfo, Options
from vsvfi.nets.tiles import Tile
from vsvfi.testing import networks


@settings(deadline=None)
@given(
    units=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    multiple=st.sampled_from([1, 4, 16, 64, 128]),
    tile=st.integers(64, 600),
    overlap=st.sampled_from([1, 64, OVERLAP]),
)
def test_cover(units: tuple[int, int], multiple: int, tile: int, overlap: int) -> None:
    """Tiles start at multiples, end with the frame, share what was asked for, and weights add up to 1."""
    height, width = (unit * multiple for unit in units)
    tiling = split(height, width, (tile, tile), multiple, overlap)
    for side, length in ((tiling.rows, height), (tiling.columns, width)):
        assert side.starts[0] == 0
        assert side.starts[-1] + side.size == length
        assert all(start % multiple == 0 for start in side.starts)
        assert len(side.starts) == 1 or side.overlap >= min(overlap, side.size // (2 * multiple) * multiple)
        total = torch.zeros(length)
        for start, weights in zip(side.starts, side.weights(), strict=True):
            assert (weights >= 0).all()
            total[start : start + side.size] += weights
        torch.testing.assert_close(total, torch.ones(length), atol=1e-5, rtol=0)


def test_blends_in_the_middle_of_what_is_shared() -> None:
    """The outermost pixels of a tile are seen, but not used."""
    side = split(512, 1500, (512, 512), 1).columns
    (before, after), unseen = next(pairwise(side.starts)), (side.overlap - RAMP) // 2
    assert side.overlap >= OVERLAP
    weights = side.weights()[1]
    shared = before + side.size - after
    assert (weights[:unseen] == 0).all()
    assert (weights[unseen + RAMP + 1 : shared] == 1).all()
    assert 0 < weights[shared // 2] < 1


def test_weights_of_larger_frames() -> None:
    """Where frames grow, weights do."""
    tiling = split(64, 200, (64, 128), 4)
    assert [tuple(weights.shape) for weights in tiling.weights(4)] == [(256, 512)] * len(tiling.tiles())
    for tile, weights in zip(tiling.tiles(4), tiling.weights(4), strict=True):
        assert weights.shape == (tile.height, tile.width)
    assert max(tile.right for tile in tiling.tiles(4)) == 800


class _Blend(TorchBackend):
    """The mean of both frames, and what each tile was told of the whole frame."""

    encodes_whole = True

    def encode(self, frame: Tensor) -> float:
        return float(frame.mean())

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> tuple[Tensor, Sequence[float]]:
        return (window[0] + window[1]) / 2, encoded

    def synthesize(self, state: tuple[Tensor, Sequence[float]], timesteps: Tensor) -> Tensor:
        return state[0].expand(len(timesteps), -1, -1, -1)


def test_nothing_changes_where_pixels_stand_alone() -> None:
    """What sees no surroundings gives the same in tiles, and every tile is told of the whole frame."""
    info = BackendInfo(name="blend", summary="", backend="")
    tiled = TiledBackend(_Blend(info, nn.Identity(), Options()), (64, 80), 32)
    frames = torch.rand(2, 1, 3, 150, 200).unbind()
    encoded = [tiled.encode(frame) for frame in frames]
    state = tiled.prepare(frames, encoded)
    assert len(state.states) > 4
    assert {tuple(told) for _, told in state.states} == {tuple(float(frame.mean()) for frame in frames)}
    result = tiled.synthesize(state, torch.tensor([0.2, 0.6]))
    torch.testing.assert_close(result, ((frames[0] + frames[1]) / 2).expand(2, -1, -1, -1))


@pytest.mark.parametrize("name", ["ifrnet-s", "amt-s", "voxel-flow", "figan", "super-slomo", "m2m"])
def test_tiles_know_the_whole_frame(name: str) -> None:
    """A tile's mean brightness, or its size, is not that of the frame, which the network counts on."""
    backend = networks.example_backend(registry.find(name))
    frame = torch.linspace(0, 1, 128).expand(1, 3, 64, 128).contiguous()
    corner = Tile(0, 64, 0, 64)
    part = backend.encode_tile(frame, corner)
    assert part == backend.encode(frame)
    assert part != backend.encode(corner.of(frame))
