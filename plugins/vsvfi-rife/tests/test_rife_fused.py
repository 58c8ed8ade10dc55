"""Networks made ready to run give what networks give."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vsvfi.models import registry
from vsvfi.models.info import Options
from vsvfi.testing.networks import example_backend, example_frames, interpolate


@pytest.mark.parametrize("model", ["rife-4.2", "rife-4.6", "rife-4.7", "rife-4.14-lite", "rife-4.26"])
@pytest.mark.parametrize("scale", [1, 0.5])
def test_fused_gives_what_the_network_gives(model: str, scale: float) -> None:
    from fractions import Fraction

    backend = example_backend(registry.find(model), options=Options(flow_scale=Fraction(scale)))
    frames = [F.interpolate(frame, (256, 256), mode="bicubic") for frame in example_frames(backend)]
    fused = backend.fused(torch.float32)
    assert fused is not None
    expected = interpolate(backend, frames, 0.3, 0.5)
    with torch.no_grad():
        error = (interpolate(fused, frames, 0.3, 0.5) - expected).abs()
    # A random network's flow may fall on the other side of a pixel's border.
    assert error.mean() < 1e-5
    assert error.max() < 0.01


def test_versions_whose_scales_depend_on_the_motion_are_not_fused() -> None:
    assert example_backend(registry.find("rife-4.0")).fused(torch.float16) is None


def test_neither_are_averages_of_both_directions() -> None:
    backend = example_backend(registry.find("rife-4.6"), options=Options(quality="best"))
    assert backend.fused(torch.float16) is None
