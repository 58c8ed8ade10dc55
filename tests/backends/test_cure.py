"""CURE: the neural representation, its chunks, the transposed maps, and its published file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vsvfi.backends.cure.backend import CUREBackend
from vsvfi.backends.cure.network import CURE, NeuralRepresentation, build, example
from vsvfi.models import registry
from vsvfi.models.info import Options

PUBLISHED = (
    (r"^feature_encoder\.head\.", "FE.head.0."),
    (r"^feature_encoder\.body\.(\d)\.conv1\.", r"FE.body.\1.body.0."),
    (r"^feature_encoder\.body\.(\d)\.conv2\.", r"FE.body.\1.body.2."),
    (r"^feature_encoder\.", "FE."),
    *((rf"^flow_estimator\.([fc]net)\.layers\.{n - 1}\.", rf"OF.\1.layer{n}.") for n in (1, 2, 3)),
    (r"^flow_estimator\.", "OF."),
    (r"^fuser\.(enc|dec)(\d)\.conv\.", r"Fuser.\1\2.Conv."),
    (r"^representation\.", "INR."),
)


@pytest.fixture
def network() -> CURE:
    torch.manual_seed(0)
    network = example("cure").eval().requires_grad_(False)
    network.flow_estimator.iterations = 2
    return network


@pytest.fixture
def representation() -> NeuralRepresentation:
    torch.manual_seed(0)
    return NeuralRepresentation(3, 8).requires_grad_(False)


def test_representation_reads_neighbourhoods(representation: NeuralRepresentation) -> None:
    """The convolutions give what the MLP gives on [y, x, t] and the 3x3 neighbourhood of every pixel."""
    features, steps = torch.randn(2, 3, 7 + 2, 5 + 2), torch.tensor([0.25, 0.75])
    layers = representation.layers
    around = functional.unfold(features, 3).transpose(1, 2).view(2, 7, 5, 27)
    y, x = 2 * torch.arange(5) / 4 - 1, 2 * torch.arange(7) / 6 - 1
    size = (2, 7, 5)
    place = torch.stack((y.expand(size), x[:, None].expand(size), steps.view(2, 1, 1).expand(size)), -1)
    a = torch.relu(layers[2](torch.relu(layers[0](torch.cat((place, around), -1)))))
    a = torch.relu(layers[6](torch.relu(layers[4](torch.cat((around, a), -1)))))
    expected = layers[10](torch.relu(layers[8](torch.cat((around, a), -1))))
    torch.testing.assert_close(representation(features, steps), expected.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)


def test_representation_in_chunks(representation: NeuralRepresentation) -> None:
    """How many pixels are coloured at a time makes no difference."""
    features, steps = torch.randn(2, 3, 13, 9), torch.tensor([0.25, 0.75])
    whole = representation(features, steps)
    representation.chunk = 2 * 7 * 3
    torch.testing.assert_close(representation(features, steps), whole, atol=1e-6, rtol=1e-6)


def test_fusion_sees_transposed_maps(network: CURE) -> None:
    """Features arrive with x as the first axis: transposed frames and kernels give the transposed result."""
    first, second = torch.rand(2, 1, 3, 64, 80)
    steps = torch.tensor([0.3])
    pair = network.prepare(network.encode(first), network.encode(second))
    fused = network.fuse(pair, steps)
    assert fused.shape == (1, 8, 80 + 2, 64 + 2)
    seen: list[Tensor] = []
    network.fuser.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network.fuse(type(pair)(pair.features, (torch.zeros(1, 2, 64, 80), torch.zeros(1, 2, 64, 80))), steps)
    expected = torch.cat((pair.features[0], pair.features[0], pair.features[1], pair.features[1]), 1)
    torch.testing.assert_close(seen[0][..., 1:-1, 1:-1], expected.transpose(2, 3), atol=1e-5, rtol=1e-5)


def test_flows_are_in_half_image_sizes(network: CURE) -> None:
    """A flow of 16 pixels is 16 / ((W - 1) / 2) in x and 16 / ((H - 1) / 2) in y, at an odd size too."""
    head: Any = network.flow_estimator.update_block.flow_head.conv2
    head.weight.zero_()
    head.bias.fill_(1.0)
    first, second = torch.rand(2, 1, 3, 69, 83)
    pair = network.prepare(network.encode(first), network.encode(second))
    middle = pair.flows[0][0, :, 34, 41]
    torch.testing.assert_close(middle, torch.tensor([16 / 41, 16 / 34]))


def test_flows_are_estimated_once_a_pair(network: CURE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features once a frame, two flows a pair, and none of it for a timestep."""
    calls: list[str] = []
    flow = network.flow_estimator.flow

    def spy(*frames: Any) -> Any:
        calls.append("flow")
        return flow(*frames)

    monkeypatch.setattr(network.flow_estimator, "flow", spy)
    network.feature_encoder.register_forward_hook(lambda *_: calls.append("encode"))
    backend = CUREBackend(registry.find("cure"), network, Options())
    window = torch.rand(2, 1, 3, 64, 64).unbind(0)
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    backend.synthesize(state, torch.tensor([0.2, 0.7]))
    backend.synthesize(state, torch.tensor([0.4]))
    assert calls == ["encode", "encode", "flow", "flow"]


def test_published_file(
    network: CURE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect_shape: Callable[[str, tuple[int, ...]], None]
) -> None:
    """A file is recognised by content; mean shifts that nothing applies are left out."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published.rename(network.state_dict(), PUBLISHED)
    state |= {"FE.sub_mean.weight": torch.zeros(3, 3, 1, 1), "OF.cnet.norm1.num_batches_tracked": torch.tensor(5)}
    shape = tuple(state["INR.layers.0.weight"].shape)
    expect_shape("INR.layers.0.weight", shape)
    stored = published.add(tmp_path, "CURE.pth.tar", {"epoch": 3, "state_dict": state})
    assert (stored.model, stored.name) == ("cure", "cure")
    published.assert_same(network, published.load("cure"))


def test_published_size() -> None:
    """The published 51,278,363 parameters, less the mean shifts."""
    with torch.device("meta"):
        network = build({"feature_encoder.head.weight": (64, 3, 3, 3)})
    assert sum(parameter.numel() for parameter in network.parameters()) == 51_278_363 - 2 * (9 + 3)
