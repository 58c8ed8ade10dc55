"""Zooming Slow-Mo: the sequence, its two directions, source frames, and one checkpoint for both windows."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch
import torch.nn.functional as F

from vsvfi.backends.zooming_slow_mo.backend import ZoomingSlowMoBackend
from vsvfi.backends.zooming_slow_mo.network import ZoomingSlowMo, build, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options

PUBLISHED = (
    (r"^lstm\.cell\.", "ConvBLSTM.forward_net.cell_list.0.conv."),
    (r"^lstm\.align_hidden\.", "ConvBLSTM.forward_net.pcd_h."),
    (r"^lstm\.align_cell\.", "ConvBLSTM.forward_net.pcd_c."),
    (r"^merge\.", "ConvBLSTM.conv_1x1."),
    (r"pyramid\.l(\d)_conv(\d)\.", r"fea_L\1_conv\2."),
    (r"\.deform\.offset_and_mask\.", ".dcnpack.conv_offset_mask."),
    (r"\.deform\.", ".dcnpack."),
    (r"align\.(first|second)\.l(\d)\.merge\.", r"align.\1.l\2.fea_conv."),
    (r"align\.first\.l(\d)\.(\w+)\.", r"pcd_align.L\1_\2_1."),
    (r"align\.second\.l(\d)\.(\w+)\.", r"pcd_align.L\1_\2_2."),
    (r"^extraction\.", "feature_extraction."),
    (r"^reconstruction\.", "recon_trunk."),
    (r"^conv_hr\.", "HRconv."),
)


@pytest.fixture
def network() -> ZoomingSlowMo:
    torch.manual_seed(0)
    network = example("zooming-slow-mo").eval().requires_grad_(False)
    for module in network.modules():
        # Untrained offsets are zero: move the taps, so that a mistake in them shows.
        for name, layer in module.named_children():
            if name == "offset_and_mask":
                torch.nn.init.normal_(layer.get_parameter("weight"), std=0.2)
    return network


def test_both_directions_share_the_lstm(network: ZoomingSlowMo) -> None:
    """One batch for both directions gives what one run forwards and one backwards give."""
    sequence = list(torch.rand(3, 2, 8, 8, 8))
    ahead = network.lstm(sequence)
    back = network.lstm(sequence[::-1])[::-1]
    expected = [network.merge(torch.cat(pair, 1)) for pair in zip(ahead, back, strict=True)]
    for got, want in zip(network.aggregate(sequence), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_untrained_deformable_convolution(network: ZoomingSlowMo) -> None:
    """With nothing learnt about offsets the masks are one half and the taps stay in place."""
    deform = network.align.first.l1.deform
    deform.offset_and_mask.weight.zero_()
    x, features = torch.rand(2, 1, 8, 12, 12)
    expected = F.conv2d(x, deform.weight, padding=1) / 2 + deform.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(deform(x, features), expected)


@pytest.mark.parametrize(("model", "count"), [("zooming-slow-mo", 2), ("zooming-slow-mo-4", 4)])
def test_backend_returns_frames_of_the_sequence(network: ZoomingSlowMo, model: str, count: int) -> None:
    """The new frame and the source frames are those of the network run on the whole window."""
    info = registry.find(model)
    assert len(info.window) == count
    backend = ZoomingSlowMoBackend(info, network, Options())
    frames = list(torch.rand(count, 1, 3, 8, 12))
    everything = network(frames)
    assert [frame.shape for frame in everything] == [(1, 3, 32, 48)] * (2 * count - 1)
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    torch.testing.assert_close(backend.synthesize(state, torch.tensor([0.5])), everything[count - 1])
    for index in range(count):
        torch.testing.assert_close(backend.source_frame(state, index), everything[2 * index])


def test_one_checkpoint_serves_both(network: ZoomingSlowMo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published file is recognised as one model's; both windows run with it, whichever it was added for."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    with pytest.raises(weights.WeightsError, match=r"vsvfi weights get zooming-slow-mo$"):
        published.load("zooming-slow-mo-4")
    state = published.rename(network.state_dict(), PUBLISHED)
    stored = published.add(tmp_path, "xiang2020zooming.pth", state)
    assert (stored.model, stored.name) == ("zooming-slow-mo", "vimeo")
    assert weights.add(tmp_path / "xiang2020zooming.pth", "zooming-slow-mo-4") == stored
    for model in ("zooming-slow-mo", "zooming-slow-mo-4"):
        published.assert_same(network, published.load(model))


def test_published_size() -> None:
    """The default is the published network, of 11.1 million parameters."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 11_102_771
