"""The embedded default: pictures it must draw right, in every format, whatever the order and the input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend
from vsvfi.compiled import flow as kernels
from vsvfi.models.info import Options, PlaneFrame

HALF = Fraction(1, 2)
QUALITIES = INFOS[0].qualities


def backend(quality: str = "balanced") -> FlowBackend:
    return FlowBackend(INFOS[0], Options(quality=quality))


def frame(
    planes: Iterable[NDArray[Any]], family: Any = "GRAY", bits: int = 8, subsampling: tuple[int, int] = (0, 0)
) -> PlaneFrame:
    return PlaneFrame(tuple(planes), family, bits, subsampling, False)


def between(flow: FlowBackend, first: PlaneFrame, second: PlaneFrame, timestep: Fraction = HALF) -> list[NDArray[Any]]:
    state = flow.prepare((first, second), [flow.encode(first), flow.encode(second)])
    out = [np.full_like(plane, 77) for plane in first.planes]
    flow.synthesize(state, timestep, out)
    return out


def texture(height: int, width: int, shift: float = 0.0, detail: float = 0.12) -> NDArray[Any]:
    """A smooth random picture in [0, 1], moved right by ``shift`` pixels; the same for every shift."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    x = x - shift
    total = np.zeros((height, width))
    for _ in range(24):
        fx, fy = rng.normal(0, detail, 2)
        total += np.sin(2 * np.pi * (fx * x + fy * y) + rng.uniform(0, 6.28)) / 24
    return np.clip(0.5 + 1.2 * total, 0, 1)


def psnr(a: NDArray[Any], b: NDArray[Any], peak: float) -> float:
    return float(10 * np.log10(peak**2 / max(np.mean((np.asarray(a, np.float64) - b) ** 2), 1e-12)))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("timestep", [Fraction(1, 4), HALF, Fraction(4, 5)])
def test_translation_is_followed(quality: str, timestep: Fraction) -> None:
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
def test_every_format(family: Any, dtype: Any, bits: int, subsampling: tuple[int, int]) -> None:
    peak = (1 << bits) - 1 if np.dtype(dtype).kind == "u" else 1.0
    shapes = [(48, 64)] + [(48 >> subsampling[1], 64 >> subsampling[0])] * (0 if family == "GRAY" else 2)

    def at(shift: float) -> PlaneFrame:
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


def test_start_up_imports_no_torch() -> None:
    code = "import sys, vsvfi.backends.flow.backend; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def random_pair(height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(height * width)
    return rng.integers(0, 256, (height, width), np.uint8), rng.integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("shape", [(2, 2), (2, 300), (300, 2), (7, 5), (33, 31), (50, 70)])
def test_odd_sizes_noise_and_opposites(quality: str, shape: tuple[int, int]) -> None:
    flow = backend(quality)
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    for first, second in [(black, white), (white, black), random_pair(*shape)]:
        (out,) = between(flow, frame([first]), frame([second]))
        assert out.shape == shape
    np.testing.assert_array_equal(between(flow, frame([white]), frame([white]))[0], white)
    (grey,) = between(flow, frame([black]), frame([white]))
    assert np.all((grey > 100) & (grey < 156))


@pytest.mark.parametrize(
    ("quality", "shape"),
    [("fast", (4320, 8192)), ("fast", (2, 8192)), ("balanced", (2, 8192)), ("balanced", (4320, 2))],
)
def test_the_largest_sizes(quality: str, shape: tuple[int, int]) -> None:
    """Pictures that have nothing in common are blended, between what either shows."""
    pixels = np.full(shape, 20, np.uint8), np.full(shape, 220, np.uint8)
    pixels[1][::7] = 200
    (out,) = between(backend(quality), frame([pixels[0]]), frame([pixels[1]]), Fraction(1, 4))
    assert out.min() >= 20
    assert out.max() <= 222
    if min(shape) > 2:  # of two rows there is no motion to speak of
        assert 60 < out.mean() < 80


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 5), (17, 24), (24, 17)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_sample_is_drawn_at_small_sizes(quality: str, shape: tuple[int, int], dtype: Any) -> None:
    """Subsampled planes of the smallest frames are smaller still; what lies over the border repeats it."""
    peak = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
    bits = np.dtype(dtype).itemsize * 8
    flat = np.full(shape, 0.5 * peak, dtype)
    (out,) = between(backend(quality), frame([flat], bits=bits), frame([flat.copy()], bits=bits), Fraction(1, 3))
    np.testing.assert_allclose(out, flat, atol=0 if peak > 1 else 1e-6)


@pytest.mark.parametrize("taps", [4, 8])
@pytest.mark.parametrize("shift", [(40.0, 0.0), (-3.25, 2.5), (0.0, -90.0)])
def test_bytes_are_drawn_as_floats_are(taps: Any, shift: Any) -> None:
    """Bytes are filtered in integers, over the border too: within rounding of what floats give."""
    rng = np.random.default_rng(4)
    pictures = [rng.integers(60, 200, (53, 75)).astype(np.uint8) for _ in range(2)]
    motion = np.zeros((4, 27, 38), np.float32)
    motion[0], motion[1] = np.float32(shift[0]) / 2, np.float32(shift[1]) / 2
    motion[0, :, 20:] += 2
    motion[2, 10:] = 0.5
    motion[3] = 0.25 + 0.5 * (np.arange(38) > 9)
    drawn = []
    for dtype in (np.uint8, np.float32):
        scale = 1 if dtype == np.uint8 else 255
        window = [frame([(picture / scale).astype(dtype)], bits=8 if scale == 1 else 32) for picture in pictures]
        out = np.empty((53, 75), dtype)
        kernels.render(
            window[0].planes, window[1].planes, window[0].bits, motion, Fraction(1, 3), [out], tolerance=0.3, taps=taps
        )
        drawn.append(out.astype(np.float64) * scale)
    difference = np.abs(drawn[0] - np.clip(drawn[1], 0, 255))
    assert np.median(difference) < 1
    assert np.mean(difference) < 1.5
    assert np.max(difference) < 12


def keys(distance: NDArray[Any]) -> NDArray[Any]:
    """Cubic convolution (Keys 1981) with a = -0.75."""
    d, a = np.abs(distance), -0.75
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    return np.where(d < 1, near, np.where(d < 2, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a, 0))


def moved(picture: NDArray[Any], x: float, y: float) -> NDArray[Any]:
    """``picture`` at (x, y) from each of its samples, which repeat over its border."""
    for axis, shift in ((0, y), (1, x)):
        size = picture.shape[axis]
        first, taps = int(np.floor(shift)) - 1, range(4)
        places = [np.clip(np.arange(size) + first + k, 0, size - 1) for k in taps]
        picture = np.sum([keys(np.array(shift - first - k)) * picture.take(places[k], axis) for k in taps], axis=0)
    return picture


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    bits=st.sampled_from([9, 10, 12, 14, 16, "half", "single"]),
    blocks=st.tuples(st.integers(1, 3), st.integers(1, 5)),
    shift=st.tuples(*[st.integers(-1000, 1000)] * 2),
    seed=st.integers(0, 2**16),
)
def test_samples_of_every_width_are_filtered_and_rounded_exactly(
    bits: int | str, blocks: Any, shift: Any, seed: int
) -> None:
    """One motion over the whole picture, inside it and over its border, as numpy computes it."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype({"half": "f2", "single": "f4"}.get(str(bits), "u2"))
    peak = 2**bits - 1 if isinstance(bits, int) else 1
    shape = 16 * blocks[0] + 4 * (seed % 2), 16 * blocks[1] + 8 * (seed // 2 % 2)
    pictures = [(rng.random(shape) * peak).astype(dtype) for _ in range(2)]
    motion = np.zeros((4, *shape), np.float32)
    motion[0], motion[1], motion[3] = shift[0] / 32, shift[1] / 32, 0.25
    out = np.empty(shape, dtype)
    width = bits if isinstance(bits, int) else 8 * dtype.itemsize
    window = [frame([picture], bits=width) for picture in pictures]
    kernels.render(window[0].planes, window[1].planes, window[0].bits, motion, HALF, [out], tolerance=0.3, taps=4)
    x, y = (value / 64 for value in shift)
    early, late = moved(pictures[0].astype(np.float64), -x, -y), moved(pictures[1].astype(np.float64), x, y)
    expected = late + (early - late) * 0.25
    if dtype == np.uint16:
        np.testing.assert_allclose(out, np.clip(expected, 0, peak), rtol=0, atol=0.5 + peak * 1e-6)
    else:
        np.testing.assert_allclose(out, expected, rtol=0, atol=2e-3 if dtype == np.float16 else 2e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nan_and_infinity_stay_where_they_are(bad: float, dtype: Any) -> None:
    first, second = (texture(64, 96, shift).astype(dtype) for shift in (0, 4))
    first[30:32, 40:42] = bad
    (out,) = between(backend(), frame([first], bits=np.dtype(dtype).itemsize * 8), frame([second], bits=16))
    assert np.isfinite(out).all()
    assert psnr(out[:, 64:-8], texture(64, 96, 2)[:, 64:-8], 1) > 30


def test_the_same_bits_whatever_the_threads() -> None:
    code = """
import hashlib, numpy as np
from fractions import Fraction
from vsvfi.models.info import Options, PlaneFrame
from vsvfi.backends.flow import INFOS
from vsvfi.compiled import flow as kernels
from vsvfi.backends.flow.backend import FlowBackend
rng = np.random.default_rng(3)
wide = np.kron(rng.integers(0, 256, (20, 30)), np.ones((8, 8))).astype(np.uint8)
frames = [PlaneFrame((np.ascontiguousarray(wide[:, s:s + 200]),), "GRAY", 8, (0, 0), False) for s in (0, 5)]
for quality in INFOS[0].qualities:
    flow = FlowBackend(INFOS[0], Options(quality=quality))
    out = np.zeros((160, 200), np.uint8)
    state = flow.prepare(frames, [flow.encode(f) for f in frames])
    flow.synthesize(state, Fraction(1, 3), [out])
    print(hashlib.sha256(out).hexdigest())
"""
    results = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": threads}
        ).stdout
        for threads in ("1", "2")
    }
    assert len(results) == 1


def disc(x: float, y: float) -> NDArray[Any]:
    """A small bright disc on a textured ground that stands still."""
    yy, xx = np.mgrid[0:240, 0:320]
    ground = 40 + 80 * texture(240, 320, 0, 0.04)
    edge = np.clip(9.5 - np.hypot(xx - x, yy - y), 0, 1)
    picture: NDArray[Any] = np.rint(ground * (1 - edge) + 230 * edge).astype(np.uint8)
    return picture


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_small_thing_that_moves_far_is_followed(quality: str) -> None:
    (out,) = between(backend(quality), frame([disc(120, 100)]), frame([disc(144, 112)]))
    truth = disc(132, 106)
    inside = truth > 200
    # Blending, or losing the disc, leaves the ground there: about 80.
    assert np.mean(out[inside]) > 180
    still = np.s_[:60, :]
    assert np.abs(out[still].astype(int) - truth[still]).max() <= 2


@pytest.mark.parametrize("quality", QUALITIES)
def test_pictures_that_have_nothing_in_common_fade_into_each_other(quality: str) -> None:
    first = np.rint(255 * texture(480, 640, detail=0.03)).astype(np.uint8)
    second = np.ascontiguousarray(np.rint(255 * texture(640, 480, detail=0.03)).astype(np.uint8).T)
    (out,) = between(backend(quality), frame([first]), frame([second]))
    assert np.abs(out - (first.astype(float) + second) / 2).max() <= 1


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_caption_stands_still_over_a_moving_ground(quality: str) -> None:
    def picture(shift: float) -> NDArray[Any]:
        ground = 30 + 120 * texture(96, 160, shift)
        ground[70:80, 40:120:8] = 250
        ground[70:80, 41:120:8] = 250
        ground[70:80, 42:120:8] = 250
        return np.rint(ground).astype(np.uint8)

    (out,) = between(backend(quality), frame([picture(0)]), frame([picture(3)]))
    letters = picture(1.5) == 250
    assert np.mean(out[letters]) > 205


@pytest.mark.parametrize("quality", QUALITIES)
def test_ground_that_is_uncovered_is_seen_in_the_frame_that_shows_it(quality: str) -> None:
    (out,) = between(backend(quality), frame([disc(120, 100)]), frame([disc(144, 112)]))
    truth = disc(132, 106)
    ground = disc(-100, -100)
    uncovered = (disc(120, 100) > ground + 30) & (truth <= ground + 2)
    # Half of the disc that was there would be an error of about 60.
    assert np.mean(np.abs(out[uncovered].astype(int) - truth[uncovered])) < 33


@pytest.mark.parametrize("quality", ["balanced", "best"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grain_does_not_pulse(quality: str, dtype: type[np.generic]) -> None:
    """Averaging two frames halves the power of their grain, which is then seen to flicker."""
    rng = np.random.default_rng(11)
    scale = 1 if dtype == np.uint8 else 255
    ground = 60 + 120 * texture(144, 192, detail=0.02)
    grainy = [np.rint(ground + rng.normal(0, 3, ground.shape)) / scale for _ in range(2)]
    first, second = (frame([one.astype(dtype)], bits=8 if scale == 1 else 32) for one in grainy)
    (out,) = between(backend(quality), first, second)

    def grain(picture: np.ndarray) -> float:
        picture = picture.astype(np.float64)
        around = picture[:-2, 1:-1] + picture[2:, 1:-1] + picture[1:-1, :-2] + picture[1:-1, 2:]
        return float(np.mean(np.abs(around - 4 * picture[1:-1, 1:-1])))

    share = 2 * grain(out) / (grain(grainy[0]) + grain(grainy[1]))
    assert 0.75 < share < 1.1  # without restored texture 0.6 and less


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_thing_that_moves_by_a_fifth_of_the_height_stays_whole(quality: str) -> None:
    def picture(x: int, y: int) -> np.ndarray:
        ground = 40 + 60 * texture(360, 480, 0, 0.03)
        thing = 130 + 120 * texture(80, 80, detail=0.06)
        ground[y : y + 80, x : x + 80] = thing
        return np.rint(ground).astype(np.uint8)

    (out,) = between(backend(quality), frame([picture(120, 100)]), frame([picture(180, 172)]))
    truth = picture(150, 136)
    inside = np.s_[146:206, 160:220]
    assert np.mean(np.abs(out[inside].astype(int) - truth[inside])) < 12


def test_later_timesteps_cost_no_second_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    search = kernels.search

    def spy(*arguments: Any) -> Any:
        searches.append(1)
        return search(*arguments)

    monkeypatch.setattr(kernels, "search", spy)
    flow = backend("fast")
    frames = [frame([disc(x, 100)]) for x in (100, 104)]
    state = flow.prepare(frames, [flow.encode(f) for f in frames])
    for n in range(1, 8):
        flow.synthesize(state, Fraction(n, 8), [np.empty((240, 320), np.uint8)])
    assert len(searches) == 2
