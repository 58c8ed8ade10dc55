"""SepConv: kernels applied to frames, channel order, and its published files."""

from __future__ import annotations

import re
from pathlib import Path

import published
import pytest
import torch

from vsvfi.backends.sepconv.backend import SepConvBackend
from vsvfi.backends.sepconv.network import Kernels, SepConv, build, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options


def with_module(match: re.Match[str]) -> str:
    return "module" + match[0].capitalize()


PUBLISHED = ((r"^(conv|deconv|upsample|vertical|horizontal)", with_module),)


@pytest.fixture
def network() -> SepConv:
    torch.manual_seed(0)
    return example("sepconv").eval().requires_grad_(False)


def taps(position: int, weight: float) -> torch.Tensor:
    """One kernel of five taps for every pixel, zero but for one tap."""
    kernel = torch.zeros(1, 5, 6, 7)
    kernel[:, position] = weight
    return kernel


def test_kernels_read_around_each_pixel(network: SepConv) -> None:
    """Tap 2 of 5 is the pixel itself, tap 3 the next to the right or below, and both frames are summed."""
    frame1, frame2 = torch.rand(1, 3, 6, 7), torch.rand(1, 3, 6, 7)
    kernels = Kernels(taps(3, 1.0), taps(2, 0.75), taps(2, 0.5), taps(1, 0.5))
    below = torch.cat((frame1[:, :, 1:], frame1[:, :, -1:]), 2)
    left = torch.cat((frame2[..., :1], frame2[..., :-1]), 3)
    torch.testing.assert_close(network.synthesize(frame1, frame2, kernels), 0.75 * below + 0.25 * left)


def test_backend_feeds_bgr(network: SepConv) -> None:
    """The published networks were trained on BGR frames."""
    frames = list(torch.rand(2, 1, 3, 128, 128))
    backend = SepConvBackend(registry.find("sepconv"), network, Options())
    result = backend.synthesize(backend.prepare(frames, [None, None]), torch.tensor([0.5]))
    torch.testing.assert_close(result, network(frames[0].flip(1), frames[1].flip(1)).flip(1))


def test_published_file(network: SepConv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with published names is recognised, kept under the checkpoint's name, and loaded."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    stored = published.add(tmp_path, "network-lf.pytorch", published.rename(network.state_dict(), PUBLISHED))
    assert (stored.model, stored.name) == ("sepconv", "lf")
    published.assert_same(network, published.load("sepconv"))


def test_published_size() -> None:
    """The default is the published network: 51 taps, 21.7 million parameters."""
    with torch.device("meta"):
        network = build({})
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_675_452
    assert network.margin == 25


def test_missing_weights_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the command and where the file is published."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    with pytest.raises(weights.WeightsError, match=r"vsvfi weights get sepconv$"):
        published.load("sepconv")
