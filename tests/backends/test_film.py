"""FILM: its pyramids, what time changes, and its published files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor, nn

from vsvfi.backends.film.backend import FILMBackend
from vsvfi.backends.film.network import FILM, build, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.testing import networks

PUBLISHED = (
    (r"^features\.", "extract.extract_sublevels.convs."),
    (r"^shared_predictor\.", "predict_flow._predictor._convs."),
    (r"^predictors\.(\d)\.", r"predict_flow._predictors.\1._convs."),
    (r"^fusion\.", "fuse.convs."),
    (r"^output\.", "fuse.output_conv."),
)
OLDER = (*PUBLISHED, (r"(_convs\.4|^fuse\.convs\.\d\.0)\.0\.", r"\1."))
COMFYUI = (*PUBLISHED, (r"\.0\.(weight|bias)$", r".conv.\1"))


@pytest.fixture
def network() -> FILM:
    torch.manual_seed(0)
    return example("film").eval().requires_grad_(False)


def test_kernel_of_two_sees_right_and_below(network: FILM) -> None:
    """As TensorFlow pads it."""
    layer: Any = network.fusion[0].get_submodule("0")
    layer[0].weight.fill_(1)
    layer[0].bias.zero_()
    dot = torch.zeros(1, layer[0].in_channels, 4, 4)
    dot[0, 0, 2, 2] = 1
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 1
    torch.testing.assert_close(layer(dot)[0, 0], expected)


def test_levels_share_the_extractor(network: FILM) -> None:
    """A level of features holds the first stage on its own image, then the second on the next finer one."""
    frame = network.encode(torch.rand(1, 3, 64, 128))
    half = network.encode(frame.images[1].repeat(1, 1, 2, 2))
    width = network.output.in_channels
    inner = frame.features[1][..., :28, :60]
    torch.testing.assert_close(inner[:, :width], half.features[0][..., :28, :60])
    assert [x.shape[1] // width for x in frame.features] == [1, 3, 7, 15, 15, 15, 15]


def test_flow_is_estimated_once_a_pair(network: FILM) -> None:
    """Features once a frame, flows once a pair, however many timesteps are asked for."""
    calls: list[str] = []
    network.features[0].register_forward_hook(lambda *_: calls.append("encode"))
    network.predictors[2].get_submodule("4").register_forward_hook(lambda *_: calls.append("flow"))
    backend = FILMBackend(registry.find("film"), network, Options())
    frames = networks.example_frames(backend)
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    backend.synthesize(state, torch.tensor([0.25, 0.5]))
    backend.synthesize(state, torch.tensor([0.75]))
    assert calls == ["encode"] * 2 * 7 + ["flow"] * 2


def test_time_enters_through_the_flows_alone(network: FILM) -> None:
    """Without flow all times give the same frame."""
    for predictor in (network.shared_predictor, *network.predictors):
        for parameter in predictor.get_submodule("4").parameters():
            parameter.zero_()
    first, second = torch.rand(2, 1, 3, 64, 64)
    frames = network(first, second, torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(frames[0], frames[1])


def test_a_batch_of_pairs(network: FILM) -> None:
    """Each pair has its own time."""
    first, second = torch.rand(2, 2, 3, 64, 64)
    times = torch.tensor([0.2, 0.7])
    alone = [network(first[i : i + 1], second[i : i + 1], times[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(network(first, second, times), torch.cat(alone), atol=1e-5, rtol=1e-4)


def scripted(state: dict[str, Tensor], path: Path) -> None:
    """A TorchScript archive of a module with these tensors."""
    root = nn.Module()
    for name, value in state.items():
        module = root
        *parts, last = name.split(".")
        for part in parts:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, nn.Parameter(value))
    with warnings.catch_warnings(action="ignore"):
        torch.jit.script(root).save(str(path))


@pytest.mark.parametrize("rules", [PUBLISHED, OLDER, COMFYUI])
def test_published_layouts(
    network: FILM, rules: tuple[tuple[str, str], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The releases' two and that of files for ComfyUI."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published.rename(network.state_dict(), rules)
    assert published.add(tmp_path, "film.pth", state).model == "film"
    published.assert_same(network, published.load("film"))


def test_published_file_is_torchscript(network: FILM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release holds whole modules."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    scripted(published.rename(network.state_dict(), PUBLISHED), tmp_path / "film_net_fp32.pt")
    stored = weights.add(tmp_path / "film_net_fp32.pt")
    assert (stored.model, stored.name) == ("film", "style")
    published.assert_same(network, published.load("film"))


def test_published_size() -> None:
    """The published network has 34.4 million parameters."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 34_436_667
