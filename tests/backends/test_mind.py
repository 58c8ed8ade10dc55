"""MIND: its layers, and the choice of activation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import nn

from vsvfi.backends.mind.network import MIND, build


def test_layers_add_up() -> None:
    """With ReLU it has the parameters of the known re-implementation; PReLU adds one slope an activation."""
    with torch.device("meta"):
        relu, prelu = MIND(activation=nn.ReLU), build({})
    assert sum(parameter.numel() for parameter in relu.parameters()) == 4_732_643
    activations = 5 * 3 + 5 * 3 + 1
    assert sum(parameter.numel() for parameter in prelu.parameters()) == 4_732_643 + activations


def test_activation_is_read_off_the_shapes() -> None:
    """Weights without slopes are those of a network with ReLU."""
    for activation in (nn.ReLU, nn.PReLU):
        network = MIND(widths=(2, 4, 6, 8, 10), activation=activation)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        rebuilt = build(shapes)
        assert isinstance(rebuilt.out_act, activation)
        rebuilt.load_state_dict(network.state_dict(), strict=True)


def test_last_activation_clips() -> None:
    """The re-implementation ends in ReLU, so frames never go below black."""
    torch.manual_seed(0)
    network: Any = MIND(widths=(2, 2, 2, 2, 2), activation=nn.ReLU).requires_grad_(False)
    network.out.bias.fill_(-1.0)
    frames = torch.rand(2, 1, 3, 32, 32)
    assert network(*frames).min() == 0


def test_trained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that somebody has trained are recognised by their content."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = MIND(widths=(2, 2, 4, 4, 4))
    assert published.add(tmp_path, "trained.pth", network.state_dict()).model == "mind"
    published.assert_same(network, published.load("mind"))
