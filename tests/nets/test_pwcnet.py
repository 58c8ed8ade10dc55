"""PWC-Net: units, colours, borders, and its published file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import vsvfi
from vsvfi.models import weights
from vsvfi.nets.pwcnet.network import PWCNet, build, estimate, warp

PUBLISHED = (
    (r"^pyramid\.6\.0\.", "conv6aa."),
    (r"^pyramid\.6\.1\.", "conv6a."),
    (r"^pyramid\.(\d)\.0\.", r"conv\1a."),
    (r"^pyramid\.(\d)\.1\.", r"conv\1aa."),
    (r"^pyramid\.(\d)\.2\.", r"conv\1b."),
    (r"^levels\.(\d)\.dense\.(\d)\.", r"conv\1_\2."),
    (r"^levels\.(\d)\.predict\.", r"predict_flow\1."),
    (r"^levels\.(\d)\.upsample_flow\.", r"deconv\1."),
    (r"^levels\.(\d)\.upsample_features\.", r"upfeat\1."),
    *((rf"^context\.{index}\.", f"dc_conv{index + 1}.") for index in range(7)),
)


def published(name: str) -> str:
    """The name of a tensor in the published file."""
    for pattern, replacement in PUBLISHED:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture
def network() -> PWCNet:
    torch.manual_seed(0)
    return PWCNet(widths=(4,) * 6, dense=(4,) * 5).eval().requires_grad_(False)


def test_predictions_count_twenty_pixels(network: PWCNet) -> None:
    """A prediction of 0.1 at a quarter of the size is a flow of two pixels at full size."""
    for parameter in network.parameters():
        parameter.zero_()
    levels: Any = network.levels
    levels["2"].predict.bias.copy_(torch.tensor([0.1, -0.2]))
    flow = estimate(network, torch.rand(1, 3, 64, 128), torch.rand(1, 3, 64, 128))
    torch.testing.assert_close(flow, torch.tensor([2.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 64, 128))


def test_coarse_flow_is_passed_on_in_the_finer_levels_pixels(network: PWCNet) -> None:
    """A flow of 16 pixels moves the features of level 5, at 1/32 of the size, by half a pixel."""
    for parameter in network.parameters():
        parameter.zero_()
    levels: Any = network.levels
    levels["6"].upsample_flow.bias.copy_(torch.tensor([16 / 20, 0.0]))
    features = [torch.zeros(1, 4, 64 >> level, 64 >> level) for level in range(2, 7)]
    moved = [level.clone() for level in features]
    features[3][..., 0, 0] = 1
    moved[3][..., 0, 0] = moved[3][..., 0, 1] = 1
    seen: list[torch.Tensor] = []
    levels["5"].dense.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network.match(features, moved)
    # No displacement is the middle one of 81; both neighbours are 1, so half-way between them too.
    assert seen[0][0, 40, 0, 0] == pytest.approx(1.0)
    torch.testing.assert_close(seen[0][0, 85:87, 0, 0], torch.tensor([0.8, 0.0]))


def test_warp_drops_what_reaches_outside() -> None:
    """A sample beyond the border is zero, one on it is not."""
    flow = torch.zeros(1, 2, 4, 4)
    flow[:, 0] = torch.tensor([0.0, 0.5, 1.0, 1e-2])
    torch.testing.assert_close(warp(torch.ones(1, 1, 4, 4), flow)[0, 0, 0], torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_directions_do_not_mix_in_a_batch(network: PWCNet) -> None:
    """Both directions at once give what each gives alone."""
    frame0, frame1 = torch.rand(2, 1, 3, 64, 64)
    together = network(torch.cat((frame0, frame1)), torch.cat((frame1, frame0)))
    for level, (there, back) in enumerate(zip(network(frame0, frame1), network(frame1, frame0), strict=True)):
        torch.testing.assert_close(together[level], torch.cat((there, back)), atol=1e-5, rtol=1e-4)


def test_alone_it_sees_bgr(network: PWCNet) -> None:
    """The stand-alone weights were trained on BGR."""
    seen: list[torch.Tensor] = []
    network.pyramid["1"].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    frame = torch.rand(1, 3, 64, 64)
    estimate(network, frame, frame)
    torch.testing.assert_close(seen[0][:1], frame.flip(1))


def test_flow_stays_in_float32(network: PWCNet) -> None:
    """Under autocast features are halves, flows are not."""
    frame = torch.rand(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert network.features(frame)[0].dtype == torch.bfloat16
        assert {flow.dtype for flow in network(frame, frame)} == {torch.float32}


def test_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrapped as published, with the layer that nothing uses; ``vsvfi.flow`` runs it at any size."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    network = PWCNet(widths=(4,) * 6)
    state = {published(name): value for name, value in network.state_dict().items()}
    state |= {"deconv2.weight": torch.zeros(2, 2, 4, 4), "deconv2.bias": torch.zeros(2)}
    torch.save({"state_dict": state}, tmp_path / "pwc_net.pth.tar")
    assert weights.add(tmp_path / "pwc_net.pth.tar").model == "pwcnet"
    flow = vsvfi.flow("pwcnet")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(flow.network.state_dict()[name], value, atol=0, rtol=0)
    assert flow(torch.rand(1, 3, 50, 70), torch.rand(1, 3, 50, 70)).shape == (1, 2, 50, 70)


def test_published_size() -> None:
    """As many parameters as the published network uses: all but those of ``deconv2``."""
    with torch.device("meta"):
        network = PWCNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 9_374_340 - (2 * 2 * 16 + 2)
    rebuilt = build({name: tuple(value.shape) for name, value in network.state_dict().items()})
    assert rebuilt.state_dict().keys() == network.state_dict().keys()
