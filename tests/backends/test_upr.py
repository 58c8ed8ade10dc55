"""UPR-Net: its levels, what is skipped, what happens once, and its published files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import published
import pytest
import torch

from vsvfi.backends.upr.backend import UPRBackend
from vsvfi.backends.upr.network import UPRNet, build, example, levels_of
from vsvfi.models import registry
from vsvfi.models.info import Options
from vsvfi.nets.tiles import Tile
from vsvfi.testing import networks

PUBLISHED = (
    (r"^features\.(\d)\.", r"feat_pyramid.conv_stage\1."),
    *((rf"^motion\.layers\.{n - 1}\.", f"motion_estimator.conv_layer{n}.") for n in range(1, 6)),
    (r"^motion\.flow\.", "motion_estimator.conv_layer6.0."),
    (r"^synthesis\.", "synthesis_network."),
)


@pytest.fixture
def network() -> UPRNet:
    torch.manual_seed(0)
    return example("upr-base").eval().requires_grad_(False)


def backend_of(network: UPRNet, scale: float = 1) -> UPRBackend:
    return UPRBackend(registry.find("upr-base"), network, Options(flow_scale=Fraction(scale)))


@pytest.mark.parametrize(
    ("width", "levels"), [(320, 3), (448, 3), (640, 4), (854, 4), (1280, 5), (1920, 6), (3840, 7), (4096, 7)]
)
def test_levels(width: int, levels: int) -> None:
    """As the authors choose them for frames of a width; a frame that stands upright is as large."""
    assert levels_of(16, width) == levels
    assert levels_of(width, 16) == levels


@pytest.mark.parametrize(
    ("scale", "used", "estimated"),
    [(1, (3, 2, 1, 0), 4), (0.5, (3, 2, 1, 0), 3), (0.25, (3, 2, 0), 2), (2, (3, 2, 1, 0), 4)],
)
def test_skipped_levels(network: UPRNet, scale: float, used: tuple[int, ...], estimated: int) -> None:
    """Motion at a smaller scale: the finest levels estimate none, and those between are left out."""
    calls: list[int] = []
    network.motion.register_forward_hook(lambda *_: calls.append(1))
    backend = backend_of(network, scale)
    frame = torch.rand(1, 3, 32, 640)
    encoded = backend.encode(frame)
    assert encoded.levels == used
    state = backend.prepare([frame, frame], [encoded, encoded])
    assert len(calls) == estimated
    assert backend.synthesize(state, torch.tensor([0.5])).shape == frame.shape


def test_a_skipped_level_takes_the_coarser_flow(network: UPRNet) -> None:
    """In its own pixels: twice the vectors for twice the size."""
    frames = torch.rand(2, 1, 3, 64, 64)
    first, second = (network.encode(frame, 3, finest=1) for frame in frames)
    coarse, fine = (level.flows[0] for level in network.prepare(first, second).levels[-2:])
    ratio = (fine[..., 16:-16, 16:-16].mean() / coarse[..., 8:-8, 8:-8].mean()).item()
    assert ratio == pytest.approx(2, abs=0.05)


def test_levels_are_made_from_the_full_size(network: UPRNet) -> None:
    """A pixel of level 2 is the mean of the four in the middle of its 4x4 pixels."""
    frame = torch.rand(1, 3, 32, 32)
    image = network.encode(frame, 3).images[0]
    torch.testing.assert_close(image[0, 0, 1, 2], frame[0, 0, 5:7, 9:11].mean())


def test_motion_is_estimated_once_a_pair(network: UPRNet) -> None:
    """Features once a frame and level, motion once a pair and level; the network sees BGR."""
    calls: list[str] = []
    network.features[0].register_forward_hook(lambda *_: calls.append("encode"))
    network.motion.register_forward_hook(lambda *_: calls.append("motion"))
    backend = backend_of(network)
    frames = networks.example_frames(backend)
    encoded = [backend.encode(frame) for frame in frames]
    state = backend.prepare(frames, encoded)
    backend.synthesize(state, torch.tensor([0.25, 0.5]))
    backend.synthesize(state, torch.tensor([0.75]))
    assert calls == ["encode"] * 2 * 3 + ["motion"] * 3
    torch.testing.assert_close(encoded[0].images[-1][:, 0, :32, :32], frames[0][:, 2, :32, :32])


def test_a_tile_has_the_levels_of_the_frame(network: UPRNet) -> None:
    """It is padded to what they need, and cropped again."""
    backend = backend_of(network)
    frame = torch.rand(1, 3, 48, 960)
    tile = backend.encode_tile(frame, Tile(0, 48, 16, 64))
    assert tile.levels == backend.encode(frame).levels == (4, 3, 2, 1, 0)
    state = backend.prepare([], [tile, tile])
    assert backend.synthesize(state, torch.tensor([0.5])).shape == (1, 3, 48, 48)


@pytest.mark.parametrize(("size", "width"), [("base", 16), ("large", 24), ("llarge", 32)])
def test_published_file(size: str, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved from a parallel wrapper; the first layer's width tells the sizes apart."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = UPRNet(width)
    state = {f"module.{name}": value for name, value in published.rename(network.state_dict(), PUBLISHED).items()}
    stored = published.add(tmp_path, f"upr-{size}.pkl", state)
    assert (stored.model, stored.name) == (f"upr-{size}", "vimeo90k")
    published.assert_same(network, published.load(f"upr-{size}"))


@pytest.mark.parametrize(("width", "parameters"), [(16, 1_653_961), (24, 3_701_865), (32, 6_563_721)])
def test_published_sizes(width: int, parameters: int) -> None:
    """The published networks have 1.7, 3.7 and 6.6 million parameters."""
    with torch.device("meta"):
        network = build({"features.0.0.weight": (width, 3, 3, 3)})
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
