"""TOFlow: which flow warps which frame, its borders, and its published file."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.toflow.network import TOFlow, build
from vsvfi.nets.spynet.network import normalise

PUBLISHED = (
    (r"^spynet\.levels\.(\d)\.", r"SpyNet.moduleBasic.\1.moduleBasic."),
    (r"^merge\.0\.", "ResNet.conv_3x2_64_9x9."),
    (r"^merge\.2\.", "ResNet.conv_64_64_1x1."),
    (r"^merge\.4\.", "ResNet.conv_64_3_1x1."),
)


@pytest.fixture
def network() -> TOFlow:
    torch.manual_seed(0)
    return TOFlow(levels=2, width=8).eval().requires_grad_(False)


def motion(x: float) -> Tensor:
    """The same horizontal flow everywhere."""
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = x
    return flow


def test_half_of_the_other_frames_flow(network: TOFlow) -> None:
    """What goes 4 pixels right from 0 to 1 is read 2 pixels left in frame 0 and 2 pixels right in frame 1."""
    for parameter in network.merge[-1].parameters():
        parameter.zero_()
    ramp = torch.linspace(0.2, 0.8, 16).expand(1, 3, 16, 16)
    step = 0.6 / 15
    frame0, frame1 = normalise(ramp), normalise(ramp - 4 * step)
    result = network.synthesize(frame0, frame1, motion(4.0), motion(-4.0))
    torch.testing.assert_close(result[..., 3:-3], (ramp - 2 * step)[..., 3:-3], atol=1e-5, rtol=0)


def test_outside_is_the_mean_colour(network: TOFlow) -> None:
    """Frames are padded with zeros after normalisation: motion from outside shows the mean of ImageNet."""
    for parameter in network.merge[-1].parameters():
        parameter.zero_()
    white = normalise(torch.ones(1, 3, 16, 16))
    result = network.synthesize(white, white, motion(200.0), motion(200.0))
    torch.testing.assert_close(result[0, :, 8, 8], torch.tensor([0.485, 0.456, 0.406]))


def test_published_file(network: TOFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file holds layers of the other tasks, too, which interpolation does without."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published.rename(network.state_dict(), PUBLISHED)
    state |= {
        "ResNet.conv_3x7_64_9x9.weight": torch.zeros(64, 21, 9, 9),
        "ResNet.conv_3x7_64_9x9.bias": torch.zeros(64),
        "ResNet.conv_64_64_9x9.weight": torch.zeros(64, 64, 9, 9),
        "ResNet.conv_64_64_9x9.bias": torch.zeros(64),
    }
    assert published.add(tmp_path, "interp.pkl", state).model == "toflow"
    published.assert_same(network, published.load("toflow"))


def test_published_size() -> None:
    """The default is the published network, less the two layers of other tasks."""
    unused = 64 * 21 * 81 + 64 + 64 * 64 * 81 + 64
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 1_436_491 - unused
