"""Networks made ready to run give what networks give, and leave those as they were."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vsvfi.models import registry
from vsvfi.nets.fused import ConvActivation, fused
from vsvfi.testing.networks import QuickProducts, example_backend, example_frames, interpolate


@pytest.mark.parametrize("model", ["ifrnet", "ifrnet-l", "amt-s", "amt-g"])
def test_fused_gives_what_the_network_gives(model: str) -> None:
    backend = example_backend(registry.find(model))
    frames = [F.interpolate(frame, (64, 96), mode="bicubic") for frame in example_frames(backend)]
    expected = interpolate(backend, frames, 0.3, 0.5)
    ready = backend.fused(torch.float32)
    assert ready is not None
    with torch.no_grad():
        torch.testing.assert_close(interpolate(ready, frames, 0.3, 0.5), expected, rtol=0, atol=1e-4)
    half = backend.fused(torch.float16)
    assert half is not None
    with torch.no_grad(), QuickProducts():  # type: ignore[no-untyped-call]
        assert (interpolate(half, frames, 0.3, 0.5).float() - expected).abs().mean() < 0.01
    assert torch.equal(interpolate(backend, frames, 0.3, 0.5), expected)


def test_rectifiers_are_joined_to_the_convolutions_before_them() -> None:
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.PReLU(4), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    chain = nn.Sequential(*layers).requires_grad_(False)
    ready = fused(chain, torch.float32)
    assert [type(layer) for layer in ready.children()] == [
        ConvActivation, nn.Identity, ConvActivation, nn.Identity, nn.Conv2d,
    ]  # fmt: skip
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ready(x), chain(x))
