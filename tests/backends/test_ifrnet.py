"""What is IFRNet's own: its sizes, its mean, and motion at another scale."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from vsvfi.backends.ifrnet.network import IFRNet, build
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.testing import networks

SIZES = {
    "ifrnet-s": IFRNet(widths=(24, 36, 54, 72), side=24),
    "ifrnet": IFRNet(widths=(32, 48, 72, 96), side=32),
    "ifrnet-l": IFRNet(widths=(64, 96, 144, 192), side=64, first_kernel=7),
}


@pytest.mark.parametrize(("name", "millions"), [("ifrnet-s", 2.8), ("ifrnet", 5.0), ("ifrnet-l", 19.7)])
def test_published_size_is_recognised_and_rebuilt(name: str, millions: float) -> None:
    network = SIZES[name]
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == millions
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert [info.name for info, _ in weights.recognise(shapes)] == [name]
    assert {key: tuple(value.shape) for key, value in build(shapes).state_dict().items()} == shapes


def test_brightness_that_both_frames_share_passes_through() -> None:
    """The network sees frames less their common mean."""
    backend = networks.example_backend(registry.find("ifrnet"))
    frames = [0.3 + 0.2 * frame for frame in networks.example_frames(backend)]
    dark = networks.interpolate(backend, frames, 0.3)
    light = networks.interpolate(backend, [frame + 0.25 for frame in frames], 0.3)
    assert dark.min() > 0
    assert light.max() < 1
    torch.testing.assert_close(light, dark + 0.25, atol=1e-5, rtol=0)


def test_first_frame_alone_changes_the_mean_of_both() -> None:
    backend = networks.example_backend(registry.find("ifrnet"))
    first, second = networks.example_frames(backend)
    pair, brighter = (
        backend.prepare([frame, second], [backend.encode(frame), backend.encode(second)])
        for frame in (first, first + 0.1)
    )
    torch.testing.assert_close(brighter.mean - pair.mean, torch.full((1, 1, 1, 1), 0.05))
    torch.testing.assert_close(pair.frames[1] + pair.mean, second)


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(2)])
def test_features_are_made_at_the_scale_of_motion(scale: Fraction) -> None:
    backend = networks.example_backend(registry.find("ifrnet"), options=Options(flow_scale=scale))
    frames = networks.example_frames(backend)
    pair = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    height, width = frames[0].shape[2:]
    assert pair.features[0][0].shape[2:] == (height * scale / 2, width * scale / 2)
    assert backend.synthesize(pair, torch.tensor([0.5])).shape == frames[0].shape
