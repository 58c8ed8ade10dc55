"""FIGAN: the layers of its table, motion over scales, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import published
import pytest
import torch

from vsvfi.backends.figan.network import FIGAN, Motion, build


def test_layers_of_the_table() -> None:
    """Six convolutions of 32 channels in each module: the counts that follow from the paper's table 1."""
    network = build({})

    def parameters(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert parameters(network.coarse) == 39_619
    assert [parameters(residual) for residual in network.residuals] == [40_483, 40_483]
    assert parameters(network.refinement) == 40_483
    assert parameters(network) == 161_068


def test_scales_are_read_off_the_shapes() -> None:
    """The number of residual modules gives the number of scales."""
    network = FIGAN(scales=4, width=8)
    rebuilt = build({name: tuple(value.shape) for name, value in network.state_dict().items()})
    rebuilt.load_state_dict(network.state_dict(), strict=True)
    frames = torch.rand(2, 1, 3, 16, 24)
    assert [tuple(s.shape[2:]) for s in rebuilt(*frames).syntheses] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_motion_needs_no_rescaling_between_scales() -> None:
    """Gamma is a fraction of the frame: found at the coarsest scale only, it moves every scale by its share."""
    network: Any = FIGAN(scales=2, width=4).requires_grad_(False)
    for module in (network.coarse, network.residuals[0]):
        module[-1].weight.zero_()
        module[-1].bias.zero_()
    network.coarse[-1].bias[0] = 0.25
    ramp = torch.linspace(0, 1, 33)[:32].expand(1, 3, 32, 32)
    fine, coarse = network.prepare(ramp, ramp, (32, 32))
    shift = torch.tensor(0.25).tanh()
    torch.testing.assert_close(coarse.gamma[:, :1], shift.expand(1, 1, 16, 16))
    # On a ramp the frames move apart by as many values as pixels, the finer scale through a second tanh.
    moved = (fine.frame1 - fine.frame0)[0, 0, 16, 16]
    torch.testing.assert_close(moved, shift.tanh() * 31 / 32, atol=1e-5, rtol=0)


def test_weight_of_the_first_frame() -> None:
    """Gamma's third channel at 1 takes the first frame alone, at 0 the mean of both."""
    frame0, frame1 = torch.rand(2, 1, 3, 4, 4)
    gamma = torch.zeros(1, 3, 4, 4)
    torch.testing.assert_close(Motion(gamma, frame0, frame1).synthesis, (frame0 + frame1) / 2)
    gamma[:, 2] = 1
    torch.testing.assert_close(Motion(gamma, frame0, frame1).synthesis, frame0)


def test_learns() -> None:
    """A few steps on one moving picture lower the multi-scale loss well below that of the start."""
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 8), (24, 36), mode="bicubic", align_corners=True)
    frame0, truth, frame1 = (picture[..., x : x + 32] for x in (4, 2, 0))
    network = FIGAN(width=8)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        frame, syntheses = network(frame0, frame1)
        loss = (frame - truth).abs().mean() + (syntheses[0] - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_trained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that somebody has trained are recognised by their content."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = FIGAN(width=4)
    assert published.add(tmp_path, "trained.pth", network.state_dict()).model == "figan"
    published.assert_same(network, published.load("figan"))
