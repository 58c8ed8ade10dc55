"""The embedded default: pictures it must draw right, in every format, whatever the order and the input."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from vsvfi.backend import Options, PlaneFrame
from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend

HALF = Fraction(1, 2)
QUALITIES = INFOS[0].qualities


def backend(quality: str = "balanced") -> FlowBackend:
    return FlowBackend(INFOS[0], Options(quality=quality))


def frame(planes, family="GRAY", bits=8, subsampling=(0, 0)) -> PlaneFrame:
    return PlaneFrame(tuple(planes), family, bits, subsampling, False)


def between(flow: FlowBackend, first: PlaneFrame, second: PlaneFrame, timestep: Fraction = HALF):
    state = flow.prepare((first, second), [flow.encode(first), flow.encode(second)])
    out = [np.full_like(plane, 77) for plane in first.planes]
    flow.synthesize(state, timestep, out)
    return out


def texture(height: int, width: int, shift: float = 0.0, detail: float = 0.12) -> np.ndarray:
    """A smooth random picture in [0, 1], moved right by ``shift`` pixels; the same for every shift."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    x = x - shift
    total = np.zeros((height, width))
    for _ in range(24):
        fx, fy = rng.normal(0, detail, 2)
        total += np.sin(2 * np.pi * (fx * x + fy * y) + rng.uniform(0, 6.28)) / 24
    return np.clip(0.5 + 1.2 * total, 0, 1)


def psnr(a, b, peak: float) -> float:
    return float(10 * np.log10(peak**2 / max(np.mean((np.asarray(a, np.float64) - b) ** 2), 1e-12)))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("timestep", [Fraction(1, 4), HALF, Fraction(4, 5)])
def test_translation_is_followed(quality, timestep):
    first, second, truth = (
        np.rint(255 * texture(96, 128, shift)).astype(np.uint8) for shift in (0, 6, 6 * float(timestep))
    )
    (out,) = between(backend(quality), frame([first]), frame([second]), timestep)
    # Away from the edge where the picture comes in; blending gives about 20 dB.
    assert psnr(out[:, 12:-12], truth[:, 12:-12], 255) > 38


FORMATS = [
    pytest.param(family, dtype, bits, subsampling, id=f"{family}-{bits}-{np.dtype(dtype).name}-{subsampling}")
    for family, subsampling in [
        ("GRAY", (0, 0)), ("RGB", (0, 0)), ("YUV", (0, 0)), ("YUV", (1, 0)), ("YUV", (1, 1)), ("YUV", (2, 0)),
        ("YUV", (2, 2)), ("YUV", (0, 1)),
    ]
    for dtype, bits in [(np.uint8, 8), (np.uint16, 10), (np.uint16, 16), (np.float16, 16), (np.float32, 32)]
]  # fmt: skip


@pytest.mark.parametrize(("family", "dtype", "bits", "subsampling"), FORMATS)
def test_every_format(family, dtype, bits, subsampling):
    peak = (1 << bits) - 1 if np.dtype(dtype).kind == "u" else 1.0
    shapes = [(48, 64)] + [(48 >> subsampling[1], 64 >> subsampling[0])] * (0 if family == "GRAY" else 2)

    def at(shift):
        planes = []
        for height, width in shapes:
            picture = texture(48, 64, shift, 0.12 if height * width == 48 * 64 else 0.02)
            plane = picture.reshape(height, 48 // height, width, 64 // width).mean((1, 3)) * peak
            planes.append(np.rint(plane).astype(dtype) if peak > 1 else plane.astype(dtype))
        return frame(planes, family, bits, subsampling)

    out = between(backend(), at(0), at(4))
    for plane, truth in zip(out, at(2).planes, strict=True):
        assert psnr(plane[:, 4:-4], truth[:, 4:-4], peak) > 30
    for plane, still in zip(between(backend(), at(0), at(0)), at(0).planes, strict=True):
        np.testing.assert_allclose(plane, still, atol=0 if peak > 1 else 1e-3)


def test_start_up_imports_no_torch():
    code = "import sys, vsvfi.backends.flow.backend; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
