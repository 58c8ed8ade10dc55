"""Super SloMo: its warp, its blend over time, and its file of two networks."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch

from vsvfi.backends.super_slomo.backend import SuperSloMoBackend
from vsvfi.backends.super_slomo.network import Place, Refined, SuperSloMo, build, example
from vsvfi.models import registry
from vsvfi.models.info import Options
from vsvfi.testing import networks


@pytest.fixture
def network() -> SuperSloMo:
    torch.manual_seed(0)
    return example("super-slomo").eval().requires_grad_(False)


def test_warp_counts_the_size_and_not_the_last_pixel(network: SuperSloMo) -> None:
    """Without flow a pixel at x is read at x (W - 1) / W: trained weights expect it."""
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    still = Refined(torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32), torch.full((1, 1, 32, 32), 0.5))
    result = network.blend(ramp, ramp, still, torch.full((1, 1, 1, 1), 0.25), Place(32, 32))
    torch.testing.assert_close(result, ramp * 31 / 32, atol=1e-4, rtol=0)


def test_tile_of_a_frame_is_read_where_the_frame_is(network: SuperSloMo) -> None:
    """A tile at 32 of 64 reads its pixel x where the frame's pixel 32 + x is read, but for what lies beyond it."""
    ramp = torch.arange(32.0, 64.0).expand(1, 3, 32, 32)
    still = Refined(torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32), torch.full((1, 1, 32, 32), 0.5))
    result = network.blend(ramp, ramp, still, torch.full((1, 1, 1, 1), 0.25), Place(64, 64, top=16, left=32))
    torch.testing.assert_close(result[..., 1:, 1:], (ramp * 63 / 64)[..., 1:, 1:], atol=1e-4, rtol=0)


def test_blend_weighs_by_time_and_visibility(network: SuperSloMo) -> None:
    """Two flat frames: the weights are (1 - t) V and t (1 - V), normalised."""
    black, white = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    still = torch.zeros(1, 2, 32, 32)
    t, visibility = 0.25, 0.8
    refined = Refined(still, still, torch.full((1, 1, 32, 32), visibility))
    result = network.blend(black, white, refined, torch.full((1, 1, 1, 1), t), Place(32, 32))
    share = t * (1 - visibility) / ((1 - t) * visibility + t * (1 - visibility))
    torch.testing.assert_close(result, torch.full_like(result, share))


@pytest.mark.parametrize(("t", "near"), [(0.01, 0), (0.99, 1)])
def test_near_a_source_frame_without_motion(network: SuperSloMo, t: float, near: int) -> None:
    """Without flow the frame at a time close to a source frame is that one, give or take the warp's pixel."""
    for unet in (network.flow, network.refinement):
        for parameter in unet.conv3.parameters():
            parameter.zero_()
    backend = SuperSloMoBackend(registry.find("super-slomo"), network, Options())
    frames = networks.example_frames(backend)
    result = networks.interpolate(backend, frames, t)
    errors = [(result - frame).abs().mean() for frame in frames]
    assert errors[near] < 0.2 * errors[1 - near]


def test_flow_is_computed_once_a_pair(network: SuperSloMo) -> None:
    """However many timesteps are asked for, the first U-Net runs once."""
    calls = []
    network.flow.register_forward_hook(lambda *_: calls.append(1))
    backend = SuperSloMoBackend(registry.find("super-slomo"), network, Options())
    frames = list(torch.rand(2, 1, 3, 32, 32))
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    backend.synthesize(state, torch.tensor([0.25, 0.5]))
    backend.synthesize(state, torch.tensor([0.75]))
    assert len(calls) == 1


def test_published_file(network: SuperSloMo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file holds both networks' state dicts, among records of the training."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    content = {
        "Detail": "End to end Super SloMo.",
        "epoch": 199,
        "trainBatchSz": 6,
        "loss": [[1.0, 2.0]],
        "state_dictFC": network.flow.state_dict(),
        "state_dictAT": network.refinement.state_dict(),
    }
    stored = published.add(tmp_path, "SuperSloMo.ckpt", content)
    assert (stored.model, stored.name) == ("super-slomo", "adobe240")
    published.assert_same(network, published.load("super-slomo"))


def test_published_size() -> None:
    """The default is the published pair of networks, of 39.6 million parameters."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 39_610_473
