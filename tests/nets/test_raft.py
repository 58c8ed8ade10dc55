"""RAFT: units, upsampling, directions, and its published file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import vsvfi
from vsvfi.models import weights
from vsvfi.nets.raft.network import RAFT, build
from vsvfi.nets.raft.update import UpdateBlock, convex_upsample


@pytest.fixture
def network() -> RAFT:
    torch.manual_seed(0)
    return RAFT(width=4, iterations=3).eval().requires_grad_(False)


def published(network: RAFT) -> dict[str, Tensor]:
    """The state dict as RAFT's authors save it, with the shortcut's norm under its second name."""
    state = {}
    for name, value in network.state_dict().items():
        for number in (3, 2, 1):
            name = name.replace(f"net.layers.{number - 1}.", f"net.layer{number}.")
        state[f"module.{name}"] = value.clone()
        if ".downsample.1." in name and "cnet" in name:
            state[f"module.{name}".replace("downsample.1", "norm3")] = torch.full_like(value, 7)
        if name.endswith("running_var"):
            state[f"module.{name}".replace("running_var", "num_batches_tracked")] = torch.tensor(3)
    return state


def test_upsampling_counts_in_large_pixels() -> None:
    """With equal weights a constant flow of (1, -2) becomes (8, -16), but for the zeros beyond the border."""
    flow = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 4, 5)
    fine = convex_upsample(flow, torch.zeros(1, 576, 4, 5))
    assert fine.shape == (1, 2, 32, 40)
    torch.testing.assert_close(fine[..., 8:-8, 8:-8], 8 * flow[:, :, :1, :1].expand(1, 2, 16, 24))
    torch.testing.assert_close(fine[..., 0, 0], 8 * flow[..., 0, 0] * 4 / 9)


def test_upsampling_picks_neighbours() -> None:
    """Sub-pixel (a, b) of a coarse pixel takes entry (n, a, b) of the mask: neighbour n in row-major order."""
    flow = torch.arange(12.0).view(1, 1, 3, 4).expand(1, 2, 3, 4)
    mask = torch.zeros(1, 9, 8, 8, 3, 4)
    mask[:, 4] = 1000
    mask[:, :, 2, 5] = 0
    mask[:, 1, 2, 5] = 1000
    fine = convex_upsample(flow, mask.view(1, 576, 3, 4))
    assert fine[0, 0, 8, 8] == 8 * flow[0, 0, 1, 1]
    assert fine[0, 0, 8 + 2, 8 + 5] == 8 * flow[0, 0, 0, 1]


def test_increments_add_up(network: RAFT) -> None:
    """An increment of (0.5, -1) coarse pixels at each of three steps is a flow of (12, -24) pixels."""
    head: Any = network.update_block.flow_head.conv2
    head.weight.zero_()
    head.bias.copy_(torch.tensor([0.5, -1.0]))
    mask: Any = network.update_block.mask
    mask[2].weight.zero_()
    mask[2].bias.zero_()
    frame0, frame1 = torch.rand(2, 1, 3, 64, 72)
    flow = network(frame0, frame1)
    torch.testing.assert_close(flow[0, :, 30, 30], torch.tensor([12.0, -24.0]))


def test_initial_flow_is_where_it_starts(network: RAFT) -> None:
    """Without any step the estimate is the one that was given."""
    first, second = (network.encode(frame) for frame in torch.rand(2, 1, 3, 64, 64))
    start = torch.randn(1, 2, 8, 8)
    _, coarse = network.flow(first, second, iterations=0, initial=start)
    torch.testing.assert_close(coarse, start)


def test_directions_share_features(network: RAFT) -> None:
    """Features of a frame serve the flow from it and the flow to it."""
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    first, second = network.encode(frame0), network.encode(frame1)
    torch.testing.assert_close(network.flow(second, first)[0], network(frame1, frame0))


def test_flow_stays_in_single_precision(network: RAFT) -> None:
    """Under autocast the flow is fp32, and close to what it is without."""
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    expected = network(frame0, frame1)
    with torch.autocast("cpu", torch.bfloat16):
        flow = network(frame0, frame1)
    assert flow.dtype == torch.float32
    torch.testing.assert_close(flow, expected, atol=0.3, rtol=0.1)


def test_motion_comes_last() -> None:
    """The motion features end with the flow itself: the recurrent unit sees it unchanged."""
    torch.manual_seed(0)
    encoder = UpdateBlock(9, width=4).encoder
    flow = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(encoder(flow, torch.randn(1, 9, 3, 3))[:, -2:], flow)


def test_published_file(
    network: RAFT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect_shape: Callable[[str, tuple[int, ...]], None]
) -> None:
    """A file is recognised, the unused copy of a norm is dropped, and the estimator runs from it at any size."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published(network)
    # The published width of the correlation layer is part of the layout.
    state["module.update_block.encoder.convc1.weight"] = torch.zeros(16, 324, 1, 1)
    expect_shape("update_block.encoder.convc1.weight", (16, 324, 1, 1))
    torch.save(state, tmp_path / "raft-things.pth")
    stored = weights.add(tmp_path / "raft-things.pth")
    assert (stored.model, stored.name) == ("raft", "things")
    estimator: Any = vsvfi.flow("raft")
    norm = estimator.network.cnet.layers[1][0].downsample[1]
    torch.testing.assert_close(norm.running_var, network.get_buffer("cnet.layers.1.0.downsample.1.running_var"))
    frames = torch.rand(2, 1, 3, 50, 70)
    flow = estimator(*frames)
    assert flow.shape == (1, 2, 50, 70)
    assert flow.isfinite().all()


def test_published_size() -> None:
    """The network has the published 5,257,536 parameters."""
    with torch.device("meta"):
        network = build({"fnet.conv1.weight": (64, 3, 7, 7)})
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_257_536
