"""FlowFormer: its codes and windows, independence of samples, chunks, and its published file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vsvfi.models import registry, weights
from vsvfi.nets.flowformer import cost
from vsvfi.nets.flowformer.attention import attend, from_windows, linear_sine_code, pad_map, to_windows
from vsvfi.nets.flowformer.network import FlowFormer, build

PUBLISHED = (
    (r"^context_encoder\.", "context_encoder.svt."),
    (r"^feature_encoder\.", "memory_encoder.feat_encoder.svt."),
    (r"^channel_convertor\.", "memory_encoder.channel_convertor."),
    (r"^cost_encoder\.", "memory_encoder.cost_perceiver_encoder."),
    (r"^decoder\.cross_attention\.", "memory_decoder.decoder_layer.cross_attend."),
    (r"^decoder\.", "memory_decoder."),
    (r"\.positions\.(\d)\.", r".pos_block.\1.proj.0."),
    (r"\.vertical_layers\.", ".vertical_encoder_layers."),
    (r"\.latent_layers\.", ".encoder_layers."),
    (r"\.ffn\.2\.", ".ffn.3."),
)


@pytest.fixture
def network() -> FlowFormer:
    torch.manual_seed(0)
    network = FlowFormer(width=16, iterations=2).eval().requires_grad_(False)
    torch.nn.init.normal_(network.cost_encoder.latent_tokens)
    network.decoder.update_block.aggregator.gamma.fill_(0.5)
    return network


def published(network: FlowFormer) -> dict[str, Tensor]:
    """The state dict as FlowFormer's authors save it, with what nothing uses."""
    state = {}
    for name, value in network.state_dict().items():
        for pattern, replacement in PUBLISHED:
            name = re.sub(pattern, replacement, name)
        state[name] = value.clone()
    state["memory_decoder.att.pos_emb.rel_ind"] = torch.zeros(160, 160, dtype=torch.int64)
    state["context_encoder.svt.norm.weight"] = torch.ones(3)
    return state


def test_code_of_a_position() -> None:
    """Sines and cosines of x, then of y, with 3.14 for pi, in bands 0, 1, ..."""
    code = linear_sine_code(torch.tensor([10.0, 20.0]), 8)
    x, y = 3.14 * 10 / 200, 3.14 * 20 / 200
    expected = [0, math.sin(x), 1, math.cos(x), 0, math.sin(y), 1, math.cos(y)]
    torch.testing.assert_close(code, torch.tensor(expected))


def test_windows_come_back_whole() -> None:
    """Windows are squares of neighbours, and their inverse crops the padding."""
    image = torch.arange(2 * 9 * 8.0).view(1, 9, 8, 2)
    windows = to_windows(pad_map(image, 7), 7)
    assert windows.shape == (4, 49, 2)
    torch.testing.assert_close(windows[0].view(7, 7, 2), image[0, :7, :7])
    assert windows[3].view(7, 7, 2)[2:].abs().max() == 0
    torch.testing.assert_close(from_windows(windows, 7, 9, 8), image)


def test_attention_averages_values() -> None:
    """Where all keys are alike every query gets the mean of the values, head by head."""
    torch.manual_seed(0)
    value = torch.randn(2, 5, 8)
    result = attend(torch.randn(2, 3, 8), torch.ones(2, 5, 8), value, heads=4)
    torch.testing.assert_close(result, value.mean(1, keepdim=True).expand(-1, 3, -1))


def test_samples_do_not_mix(network: FlowFormer) -> None:
    """A batch of two pairs gives what each pair gives alone."""
    frames0, frames1 = torch.rand(2, 2, 3, 64, 72)
    together = network(frames0, frames1)
    alone = torch.cat([network(frames0[i : i + 1], frames1[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_cost_maps_in_chunks(network: FlowFormer, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many cost maps are tokenized at a time makes no difference."""
    first, second = (network.encode(frame) for frame in torch.rand(2, 1, 3, 64, 72))
    _, whole = network.cost_memory(first, second)
    monkeypatch.setattr(cost, "CHUNK", 7 * 8 * 9)
    _, chunked = network.cost_memory(first, second)
    torch.testing.assert_close(chunked, whole, atol=1e-5, rtol=1e-5)


def test_increments_add_up(network: FlowFormer) -> None:
    """An increment of (0.5, -1) coarse pixels at both steps is a flow of (8, -16) pixels."""
    head: Any = network.decoder.update_block.flow_head.conv2
    head.weight.zero_()
    head.bias.copy_(torch.tensor([0.5, -1.0]))
    flow, coarse = network.flow(*(network.encode(frame) for frame in torch.rand(2, 1, 3, 64, 64)))
    torch.testing.assert_close(coarse[0, :, 4, 4], torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(flow[0, :, 32, 32], torch.tensor([8.0, -16.0]))


def test_published_file(
    network: FlowFormer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expect_shape: Callable[[str, tuple[int, ...]], None],
) -> None:
    """A file is recognised by content, with the prefix of a wrapper and with tensors that nothing uses."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    shape = tuple(network.decoder.update_block.encoder.convc1.weight.shape)
    expect_shape("memory_decoder.update_block.encoder.convc1.weight", shape)
    path = tmp_path / "somewhere.pth"
    torch.save({f"module.{name}": value for name, value in published(network).items()}, path)
    assert weights.add(path).model == "flowformer"
    loaded = weights.load(registry.networks()["flowformer"]).state_dict()
    assert loaded.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded[name], value, atol=0, rtol=0)


def test_published_size() -> None:
    """The published 16,168,113 parameters, less the unused tables of positions and norms."""
    with torch.device("meta"):
        network = build({"context_encoder.patch_embeds.0.proj.weight": (128, 3, 4, 4)})
    unused = 2 * 319 * 128 + 2 * 2 * 1024
    assert sum(parameter.numel() for parameter in network.parameters()) == 16_168_113 - unused
