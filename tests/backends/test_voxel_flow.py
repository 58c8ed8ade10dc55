"""Deep Voxel Flow: units of the flow, the mask, range and order of channels, and old checkpoints."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch

from vsvfi.backends.voxel_flow.backend import VoxelFlowBackend
from vsvfi.backends.voxel_flow.network import VoxelFlow, build, example
from vsvfi.models import registry
from vsvfi.models.info import Options


@pytest.fixture
def network() -> VoxelFlow:
    torch.manual_seed(0)
    return example("voxel-flow").eval().requires_grad_(False)


def test_flow_moves_frames_apart(network: VoxelFlow) -> None:
    """A flow of one pixel reads the first frame a pixel to the left and the second a pixel to the right."""
    frame0, frame1 = torch.rand(1, 3, 8, 16), torch.rand(1, 3, 8, 16)
    voxel_flow = torch.zeros(1, 3, 8, 16)
    voxel_flow[:, 0] = 4 / 15
    voxel_flow[:, 2] = 0.5
    left = torch.cat((frame0[..., :1], frame0[..., :-1]), 3)
    right = torch.cat((frame1[..., 1:], frame1[..., -1:]), 3)
    expected = 0.75 * left + 0.25 * right
    torch.testing.assert_close(network.synthesize(frame0, frame1, voxel_flow, (8, 16)), expected, atol=1e-5, rtol=0)


def test_backend_feeds_bgr_around_zero(network: VoxelFlow) -> None:
    """The published network was trained on BGR frames in [-1, 1]."""
    frames = list(torch.rand(2, 1, 3, 16, 16))
    backend = VoxelFlowBackend(registry.find("voxel-flow"), network, Options())
    result = backend.synthesize(
        backend.prepare(frames, [backend.encode(frame) for frame in frames]), torch.tensor([0.5])
    )
    expected = network(2 * frames[0].flip(1) - 1, 2 * frames[1].flip(1) - 1)
    torch.testing.assert_close(result, (expected.flip(1) + 1) / 2)


@pytest.mark.parametrize("counters", [True, False])
def test_published_file(network: VoxelFlow, counters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training script's file loads, with the counters that PyTorch saves today or without, as of old."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = {
        name: value for name, value in network.state_dict().items() if counters or not name.endswith("batches_tracked")
    }
    content = {"epoch": 3, "arch": "voxelflow", "state_dict": state, "best_PSNR": 30.0}
    stored = published.add(tmp_path, "voxelflow_model_best.pth.tar", content)
    assert stored.model == "voxel-flow"
    published.assert_same(network, published.load("voxel-flow"))


def test_published_size() -> None:
    """The default is the published network, of 3.8 million parameters."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 3_821_891
