"""Every format VapourSynth has, and what colour descriptions do: no tint, no flicker, still pictures stay still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import vapoursynth as vs
from clips import drawn, noise, planes

from vsvfi.commands.clips import Clip, core
from vsvfi.engine.color import rgb_to_planes, to_rgb
from vsvfi.engine.frames import Color, read_color
from vsvfi.models.info import PlaneFrame

pytestmark = pytest.mark.usefixtures("models")


def every_format() -> Iterator[vs.VideoFormat]:
    """Gray, RGB and YUV of every depth, with every subsampling VapourSynth has."""
    depths = [(vs.INTEGER, bits) for bits in (8, 9, 10, 12, 14, 16)] + [(vs.FLOAT, 16), (vs.FLOAT, 32)]
    for sample, bits in depths:
        yield vs.core.query_video_format(vs.GRAY, sample, bits)
        yield vs.core.query_video_format(vs.RGB, sample, bits)
        yield vs.core.query_video_format(vs.YUV, sample, bits, 1, 1)
    for horizontal in range(5):
        for vertical in range(5):
            yield vs.core.query_video_format(vs.YUV, vs.INTEGER, 8, horizontal, vertical)
    for subsampling in ((0, 0), (1, 0), (0, 1), (2, 0), (2, 2)):
        for sample, bits in ((vs.INTEGER, 10), (vs.FLOAT, 32)):
            yield vs.core.query_video_format(vs.YUV, sample, bits, *subsampling)


FORMATS = {form.name: form for form in every_format()}


def code_value(form: vs.VideoFormat) -> float:
    """The step between two code values; for floats that of 10 bits."""
    return 1.0 if form.sample_type == vs.INTEGER else 1 / 1023


def constant(form: vs.VideoFormat, level: float, **given: Any) -> Clip:
    """A flat picture: ``level`` of the way through what samples can be, each plane a little different."""

    def draw(n: int, arrays: list[Any]) -> None:
        for number, plane in enumerate(arrays):
            share = level + 0.07 * number
            plane[...] = share if form.sample_type == vs.FLOAT else round(share * ((1 << form.bits_per_sample) - 1))

    return drawn(draw, length=3, form=form.id, size=(64, 64), **given)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("model", ["flow", "torch-midpoint"])
def test_a_constant_and_a_still_clip_come_back(name: str, model: str) -> None:
    form = FORMATS[name]
    for clip in (constant(form, 0.3), noise(length=3, form=form.id, size=(64, 64), still=True)):
        source, new = clip.get_frame(0), clip.vsvfi.Interpolate(model=model).get_frame(1)
        for was, now in zip(planes(source), planes(new), strict=True):
            assert np.abs(was.astype(np.float64) - now.astype(np.float64)).max() <= code_value(form)


@pytest.mark.parametrize(
    "matrix", [vs.MATRIX_BT709, vs.MATRIX_ST170_M, vs.MATRIX_BT2020_NCL, vs.MATRIX_YCGCO, 2, 10, 14]
)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("location", range(6))
def test_no_tint_whatever_the_description(matrix: int, full: bool, location: int) -> None:
    props = {"_Matrix": matrix, "_Range": int(full), "_ChromaLocation": location, "_Transfer": vs.TRANSFER_ST2084}
    clip = noise(length=2, form=vs.YUV420P10, still=True, props=lambda n: props)
    new = clip.vsvfi.Interpolate(model="torch-fade").get_frame(1)
    for was, now in zip(planes(clip.get_frame(0)), planes(new), strict=True):
        assert np.abs(was.astype(int) - now).max() <= 1
    assert {name: new.props[name] for name in props} == props


class TestColor:
    @pytest.mark.parametrize(
        ("matrix", "full", "pixel", "expected"),
        [
            (1, False, (81, 90, 240), None),
            (6, False, (81, 90, 240), (1.0, 0.0, 0.0)),  # the red bar of SMPTE 170M
            (6, False, (145, 54, 34), (0.0, 1.0, 0.0)),
            (6, False, (235, 128, 128), (1.0, 1.0, 1.0)),
            (6, False, (16, 128, 128), (0.0, 0.0, 0.0)),
            (1, False, (63, 102, 240), (1.0, 0.0, 0.0)),  # the red bar of BT.709
            (6, True, (76, 85, 255), (1.0, 0.0, 0.0)),  # red in JPEG
        ],
    )
    def test_known_colours(
        self, matrix: int, full: bool, pixel: tuple[int, int, int], expected: tuple[float, ...] | None
    ) -> None:
        frame = PlaneFrame(tuple(np.full((2, 2), value, np.uint8) for value in pixel), "YUV", 8, (0, 0), full)
        rgb = to_rgb(frame, Color(matrix, full, 0), torch.device("cpu"))[0, :, 0, 0]
        if expected is None:
            assert float(rgb[0]) > 1  # SMPTE 170M's red is outside BT.709's range, and kept
        else:
            assert rgb.tolist() == pytest.approx(expected, abs=0.01)

    @pytest.mark.parametrize(
        ("props", "family", "size", "expected"),
        [
            ({}, "YUV", (640, 360), Color(6, False, 0)),
            ({}, "YUV", (1280, 536), Color(1, False, 0)),
            ({"_Matrix": 2}, "YUV", (720, 576), Color(6, False, 0)),
            ({"_Matrix": 9, "_Range": 1, "_ChromaLocation": 2}, "YUV", (64, 64), Color(9, True, 2)),
            ({"_ColorRange": 0}, "YUV", (64, 64), Color(6, True, 0)),
            ({"_ColorRange": 1}, "RGB", (64, 64), Color(6, False, 0)),
            ({}, "RGB", (64, 64), Color(6, True, 0)),
            ({}, "GRAY", (64, 64), Color(6, False, 0)),
        ],
    )
    def test_what_is_read_and_what_is_guessed(
        self, props: dict[str, int], family: str, size: tuple[int, int], expected: Color
    ) -> None:
        assert read_color(props, family, *size) == expected

    @pytest.mark.parametrize("location", range(6))
    @pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (2, 0), (2, 2), (0, 1)])
    def test_chroma_lies_where_it_is_sited(self, location: int, subsampling: tuple[int, int]) -> None:
        wide, high = 1 << subsampling[0], 1 << subsampling[1]
        x0 = 0.0 if location in (0, 2, 4) else (wide - 1) / 2
        y0 = {2: 0.0, 3: 0.0, 4: high - 1.0, 5: high - 1.0}.get(location, (high - 1) / 2)
        y, x = np.mgrid[0 : 32 // high, 0 : 32 // wide].astype(np.float32)
        # Chroma that is linear in the position of luma samples must stay so.
        ramp = ((x * wide + x0) + 2 * (y * high + y0)) / 200
        frame = PlaneFrame((np.zeros((32, 32), np.float32), ramp, ramp * 0), "YUV", 32, subsampling, False)
        rgb = to_rgb(frame, Color(8, False, location), torch.device("cpu"))[0]
        chroma = (rgb[1] - (rgb[0] + rgb[2]) / 2) / 2  # YCgCo's Cg
        columns, rows = np.meshgrid(np.arange(32), np.arange(32))
        inside = (slice(8, 24), slice(8, 24))
        np.testing.assert_allclose(chroma.numpy()[inside], ((columns + 2 * rows) / 200)[inside], atol=1e-5)

    def test_integers_are_rounded_and_clamped(self) -> None:
        like = PlaneFrame((np.zeros((1, 3), np.uint8),), "GRAY", 8, (0, 0), True)
        out = [np.zeros((1, 3), np.uint8)]
        rgb = torch.tensor([-0.5, 100.4 / 255, 1.5]).view(1, 1, 1, 3).repeat(1, 3, 1, 1)
        rgb_to_planes(rgb, like, Color(6, True, 0), out)
        assert out[0].tolist() == [[0, 100, 255]]


class TestRefused:
    def test_variable_format(self) -> None:
        gray = core.std.BlankClip(format=vs.GRAY8, length=2)
        mixed = core.std.Splice([gray, core.std.BlankClip(format=vs.RGB24, length=2)], mismatch=True)
        with pytest.raises(vs.Error, match="the clip's format varies; convert it first"):
            mixed.vsvfi.Interpolate()

    def test_variable_size(self) -> None:
        small = core.std.BlankClip(width=32, height=32, length=2)
        mixed = core.std.Splice([small, core.std.BlankClip(width=64, height=32, length=2)], mismatch=True)
        with pytest.raises(vs.Error, match="the clip's size varies; scale it first"):
            mixed.vsvfi.Interpolate()

    def test_fields(self) -> None:
        clip = noise(length=4)
        with pytest.raises(vs.Error, match=r"frame 0 is field-based .*deinterlace the clip first"):
            clip.std.SetFieldBased(value=2).vsvfi.Interpolate()
        later = clip[:2] + clip[2:].std.SetFieldBased(value=1)
        with pytest.raises(vs.Error, match="frame 2 is field-based"):
            later.vsvfi.Interpolate(sc=0).get_frame(3)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("model", ["flow", "torch-fade"])
    def test_what_is_no_number(self, value: float, model: str) -> None:
        def draw(n: int, arrays: list[Any]) -> None:
            arrays[0][...] = 0.5
            arrays[0][3, 4] = value if n == 1 else 0.5

        clip = drawn(draw, length=4, form=vs.GRAYS)
        with pytest.raises(vs.Error, match="source frame 1 holds NaN or infinity"):
            clip.vsvfi.Interpolate(model=model, sc=0).get_frame(1)
