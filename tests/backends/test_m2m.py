"""M2M: its cost, its splatting, what it needs of the whole frame, and its published file."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.m2m.backend import M2MBackend
from vsvfi.backends.m2m.flow import distances
from vsvfi.backends.m2m.network import M2M, M2MState, Statistics, build, example, statistics
from vsvfi.models import registry
from vsvfi.models.info import Options
from vsvfi.testing import networks

PUBLISHED = (
    (r"^alpha$", "paramAlpha"),
    *(
        (rf"^flow\.extractor\.{n}\.", f"netFlow.netExtractor.net{name}.netMain.")
        for n, name in enumerate(("One", "Two", "Thr"))
    ),
    *(
        (rf"^flow\.decoders\.{n}\.", f"netFlow.net{name}.netMain.netMain.")
        for n, name in enumerate(("Fiv", "Fou", "Thr", "Two", "One"))
    ),
    *((rf"^refinement\.pyramid\.{n - 1}\.(\d)\.", rf"MRN.img_pyramid.conv{n}.(\1).") for n in (1, 2, 3, 4)),
    (r"^refinement\.down\.(\d)\.(\d)\.", r"MRN.motion_encdec.down\1.(\2)."),
    (r"\(0\)", "conv1"),
    (r"\(1\)", "conv2"),
    (r"^refinement\.up\.(\d)\.", r"MRN.motion_encdec.up\1."),
    (r"^refinement\.attention\.channels\.", "MRN.motion_encdec.conv_C.1."),
    (r"^refinement\.attention\.rows\.", "MRN.motion_encdec.conv_H.1."),
    (r"^refinement\.attention\.columns\.", "MRN.motion_encdec.conv_W.1."),
    (r"^refinement\.reliability\.", "MRN.motion_encdec.conv_m."),
    (r"^refinement\.residual\.", "MRN.motion_encdec.conv."),
)  # fmt: skip


@pytest.fixture
def network() -> M2M:
    torch.manual_seed(0)
    return example("m2m").eval().requires_grad_(False)


def test_distances() -> None:
    """Of each shift, dx fastest; what lies outside counts as 0."""
    first, second = torch.rand(2, 1, 3, 12, 10)
    cost = distances(first, second)
    dy, dx = 2, -3
    expected = (first[:, :, :10, 3:] - second[:, :, 2:, :7]).abs().mean(1)
    torch.testing.assert_close(cost[:, (dy + 4) * 9 + dx + 4, :10, 3:], expected)
    torch.testing.assert_close(cost[0, 0, 0, 0], first[0, :, 0, 0].mean())


def still(colours: Tensor, weight: float = 1.0) -> M2MState:
    """Two frames ``(2, 3, H, W)`` without motion."""
    _, _, height, width = colours.shape
    flows, weights = torch.zeros(2, 4, 2, height, width), torch.full((2, 4, 1, height, width), weight)
    return M2MState(colours, flows, weights, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))


def test_splatting_weighs_by_time(network: M2M) -> None:
    """Without motion a new frame is the blend of both; the first counts 1 - t."""
    colours = torch.stack((torch.zeros(3, 4, 6), torch.ones(3, 4, 6)))
    frames = network.synthesize(still(colours), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(
        frames, torch.tensor([0.25, 0.75]).view(2, 1, 1, 1).expand(2, 3, 4, 6), atol=1e-6, rtol=0
    )


def test_holes_are_filled_by_the_blend(network: M2M) -> None:
    """Where both frames' pixels went away, both frames are blended in place."""
    colours = torch.stack((torch.zeros(3, 4, 6), torch.ones(3, 4, 6)))
    motion = still(colours)
    motion.flows[..., 2, 3] = 1000
    frame = network.synthesize(motion, torch.tensor([0.25]))
    torch.testing.assert_close(frame[0, :, 2, 3], torch.full((3,), 0.25))


def test_the_heavier_of_two_pixels_wins(network: M2M) -> None:
    """Colours that meet are averaged by their weights."""
    colours = torch.rand(2, 3, 1, 8)
    motion = still(colours)
    motion.flows[0, :, 0, 0, 1] = 2 / 0.5
    motion.weights[0, :, 0, 0, 1] = 1e4
    frame = network.synthesize(motion, torch.tensor([0.5]))
    torch.testing.assert_close(frame[0, :, 0, 3], colours[0, :, 0, 1], atol=1e-3, rtol=0)


def test_frames_of_a_pair_share_their_statistics(network: M2M) -> None:
    """What is normalised has mean 0 and deviation 1 over both frames together."""
    first, second = torch.rand(2, 3, 3, 16, 16), torch.rand(2, 3, 3, 16, 16) * 0.3
    first, second = first[0], second[1]
    images, mean, deviation = network.normalise(first, second, (statistics(first), statistics(second)))
    both = torch.stack(images.chunk(2), 1)
    torch.testing.assert_close(both.mean((1, 2, 3, 4)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(both.var((1, 2, 3, 4), correction=0), torch.ones(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        images * deviation.repeat(2, 1, 1, 1) + mean.repeat(2, 1, 1, 1), torch.cat((first, second))
    )


def test_motion_is_estimated_once_a_pair(network: M2M) -> None:
    """A further new frame is one splatting; the network sees BGR."""
    calls: list[Tensor] = []
    network.flow.extractor[0].register_forward_hook(lambda _module, inputs, _output: calls.append(inputs[0]))
    backend = M2MBackend(registry.find("m2m"), network, Options())
    frames = networks.example_frames(backend)
    of_frames = [backend.encode(frame) for frame in frames]
    assert isinstance(of_frames[0], Statistics)
    state = backend.prepare(frames, of_frames)
    backend.synthesize(state, torch.tensor([0.25, 0.5]))
    backend.synthesize(state, torch.tensor([0.75]))
    assert len(calls) == 1
    red = state.images[:1, 2] * state.deviation[0] + state.mean[0]
    torch.testing.assert_close(red, frames[0][:, 0], atol=1e-5, rtol=0)


def test_published_file(network: M2M, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slopes of the costs are there, and not used."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published.rename(network.state_dict(), PUBLISHED)
    assert "MRN.img_pyramid.conv1.conv1.0.weight" in state
    state |= {f"netFlow.net{name}.netCostacti.weight": torch.ones(1) for name in ("Fiv", "Fou", "Thr", "Two", "One")}
    stored = published.add(tmp_path, "model.pkl", state)
    assert (stored.model, stored.name) == ("m2m", "vimeo90k")
    published.assert_same(network, published.load("m2m"))


def test_published_size() -> None:
    """7610715 parameters, but for five slopes without effect."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 7_610_715 - 5
