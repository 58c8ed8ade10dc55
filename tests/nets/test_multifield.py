"""The parts that AMT and GIMM-VFI share: correlations both ways, updates, and the blend of several candidates."""

from __future__ import annotations

from typing import Any

import torch

from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.multifield import BidirectionalCorrelation, FieldBlend, UpdateBlock, warped_fields


def test_correlation_both_ways() -> None:
    """In the middle of the finest window: the inner products, each frame's positions searched in the other."""
    torch.manual_seed(0)
    first, second = torch.randn(2, 1, 4, 8, 9)
    grid = pixel_grid(8, 9)
    forward, backward = BidirectionalCorrelation.of(first, second).lookup(grid, grid, radius=1)
    same = (first * second).sum(1) / 2
    torch.testing.assert_close(forward[:, 4], same)
    torch.testing.assert_close(backward[:, 4], same)
    # One pixel to the right is the last third of the window: x is the slow index.
    right = (first[..., :-1] * second[..., 1:]).sum(1) / 2
    torch.testing.assert_close(forward[:, 7, :, :-1], right)
    left = (second[..., :-1] * first[..., 1:]).sum(1) / 2
    torch.testing.assert_close(backward[:, 7, :, :-1], left)


def test_timesteps_share_a_volume() -> None:
    """Several timesteps of one pair read one volume and get what they would get alone."""
    torch.manual_seed(0)
    correlation = BidirectionalCorrelation.of(*torch.randn(2, 1, 4, 8, 8))
    coords = pixel_grid(8, 8) + torch.randn(3, 2, 8, 8)
    together = correlation.lookup(coords, coords.flip(0), radius=2)
    for k in range(3):
        alone = correlation.lookup(coords[k : k + 1], coords.flip(0)[k : k + 1], radius=2)
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(all_of_them[k : k + 1], one)


def test_update_counts_in_the_features_pixels() -> None:
    """A block at half the feature's size returns increments twice as large as its head predicts."""
    torch.manual_seed(0)
    block: Any = UpdateBlock(correlation=(18, 4), flow=(4, 4), joint=4, hidden=4, feature=5, scale=2).requires_grad_(
        False
    )
    block.flow_head[2].weight.zero_()
    block.flow_head[2].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    feature, flow = block(torch.randn(1, 5, 8, 12), torch.zeros(1, 4, 4, 6), torch.randn(1, 18, 4, 6))
    assert feature.shape == (1, 5, 8, 12)
    expected = torch.tensor([2.0, 4.0, 6.0, 8.0]).view(1, 4, 1, 1).expand(1, 4, 8, 12)
    torch.testing.assert_close(flow, expected)


def test_shapes_say_what_a_block_is() -> None:
    """A block is rebuilt from the shapes of its tensors."""
    for correlation in ((18, 8), (18, 8, 6)):
        block = UpdateBlock(correlation=correlation, flow=(4, 3), joint=7, hidden=5, feature=2)
        shapes = {f"update.{name}": tuple(value.shape) for name, value in block.state_dict().items()}
        rebuilt = UpdateBlock.from_shapes(shapes, "update")
        assert {f"update.{name}": tuple(value.shape) for name, value in rebuilt.state_dict().items()} == shapes


def test_candidates() -> None:
    """Candidate k is blended by its own flows, mask and residual."""
    first, second = torch.zeros(1, 3, 4, 6), torch.ones(1, 3, 4, 6)
    second[..., 2] = 0.5
    flow1 = torch.zeros(1, 4, 4, 6)
    flow1[:, 2] = 1.0
    mask = torch.tensor([0.25, 0.5]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    residual = torch.zeros(1, 6, 4, 6)
    residual[:, 3:] = 0.1
    one, two = warped_fields((first, second), (torch.zeros_like(flow1), flow1), mask, residual)
    torch.testing.assert_close(one[0, 0, 0], torch.tensor([0.75, 0.75, 0.375, 0.75, 0.75, 0.75]))
    torch.testing.assert_close(two[0, 2, 3], torch.tensor([0.6, 0.35, 0.6, 0.6, 0.6, 0.6]))


def test_blend_adds_to_the_mean() -> None:
    """Candidates are averaged; what the convolutions make of them is added."""
    blend: Any = FieldBlend(2, 3).requires_grad_(False)
    blend[2].weight.zero_()
    blend[2].bias.fill_(0.25)
    result = blend([torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)])
    torch.testing.assert_close(result, torch.full((1, 3, 4, 4), 0.75))
