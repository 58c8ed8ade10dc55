"""Regions that are left alone, and new frames that are shown in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from clips import noise
from numpy.typing import NDArray

from vsvfi.commands.clips import Clip, core

pytestmark = pytest.mark.usefixtures("models")

FORMATS = [vs.GRAY8, vs.YUV420P8, vs.YUV422P10, vs.YUV444PS, vs.RGB24, vs.RGBH]


def interpolate(clip: Clip, **arguments: Any) -> Clip:
    return core.vsvfi.Interpolate(clip, **{"model": "fade", "sc": 0, **arguments})


def left_half(length: int = 1, *, value: int = 255) -> Clip:
    """A mask whose left half is ``value``."""
    black = core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=length, color=0)
    return core.std.StackHorizontal(
        [black.std.CropRel(right=32).std.BlankClip(color=value), black.std.CropRel(left=32)]
    )


def planes(clip: Clip, n: int) -> list[NDArray[np.float64]]:
    return [np.asarray(plane).astype(np.float64) for plane in clip.get_frame(n)]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: vs.PresetVideoFormat(form).name)
def test_the_nearer_source_frame_shows_through_a_mask(form: int) -> None:
    clip = noise(length=4, form=form)
    made, masked = interpolate(clip, factor=4), interpolate(clip, factor=4, mask=left_half())
    for n, nearer in ((5, 1), (6, 1), (7, 2)):
        triples = zip(planes(masked, n), planes(clip, nearer), planes(made, n), strict=True)
        for got, source, new in triples:
            width = got.shape[1]
            inside, outside = slice(0, width * 24 // 64), slice(width * 40 // 64, width)
            assert np.array_equal(got[:, inside], source[:, inside])
            assert np.array_equal(got[:, outside], new[:, outside])


def test_the_edge_of_a_mask_is_feathered() -> None:
    clip = core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=1, color=0, fpsnum=25, fpsden=1)
    clip = clip + core.std.BlankClip(clip, color=200)
    row = planes(interpolate(clip, factor=4, mask=left_half()), 2)[0][20]
    assert row[24] == 0
    assert row[40] == 100
    steps = np.diff(row[26:38])
    assert (steps >= 0).all()
    assert steps.max() < 20


def test_a_mask_of_either_frame_counts() -> None:
    clip = noise(length=3)
    moving = left_half(2, value=0) + left_half(1)
    got = planes(interpolate(clip, factor=2, mask=moving), 3)[0]
    assert np.array_equal(got[:, :24], planes(clip, 1)[0][:, :24])
    plain = planes(interpolate(clip, factor=2), 1)[0]
    assert np.array_equal(planes(interpolate(clip, factor=2, mask=moving), 1)[0], plain)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: vs.PresetVideoFormat(form).name)
def test_blend_mixes_with_the_nearer_frame(form: int) -> None:
    clip = noise(length=3, form=form)
    whole = core.vsvfi.Interpolate(clip, model="fade", sc=0, factor=4)
    for strength in (0.0, 0.25, 1.0):
        mixed = interpolate(clip, factor=4, blend=strength)
        for n, nearer in ((1, 0), (3, 1)):
            for got, source, new in zip(planes(mixed, n), planes(clip, nearer), planes(whole, n), strict=True):
                tolerance = 0.5 if clip.format.sample_type == vs.INTEGER else 1e-3
                assert np.abs(got - (source + strength * (new - source))).max() <= tolerance


def test_source_frames_come_out_as_they_are_and_masks_do_not_stay_in_properties() -> None:
    clip = noise(length=3)
    result = interpolate(clip, factor=2, mask=left_half())
    for n in range(3):
        assert np.array_equal(planes(result, 2 * n)[0], planes(clip, n)[0])
    assert all("VsvfiMask" not in frame.props for frame in result.frames())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blend": 1.5}, "blend must be from 0 to 1, got 1.5"),
        ({"mask": core.std.BlankClip(format=vs.GRAY8, width=32, height=48, length=1)}, "the size of the clip, 64 x 48"),
        ({"mask": core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=2)}, "1 or 3 frames, got 2"),
    ],
)
def test_what_does_not_fit_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(vs.Error, match=message):
        interpolate(noise(length=3), **arguments)
