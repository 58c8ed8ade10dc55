"""core.vsvfi.Enhance: every frame from its neighbours in the same scene."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vapoursynth as vs
from clips import drawn
from numpy.typing import NDArray

import vsvfi
from vsvfi.commands.clips import Clip, core
from vsvfi.filter import enhance as module
from vsvfi.filter.arguments import ARGUMENTS
from vsvfi.filter.enhance import within_scene
from vsvfi.models import registry, weights
from vsvfi.models.availability import availability, usable_models
from vsvfi.models.info import load_object
from vsvfi.train.checkpoint import export_weights

LEVELS = [10, 20, 90, 30, 40, 200, 210, 220, 230]
"""Of grey frames; a cut after the fifth, a speck at the third."""


@pytest.fixture
def clip(models: Any) -> Clip:
    """Grey frames of one level each, whose scene change is marked."""
    del models

    def draw(n: int, planes: list[NDArray[Any]]) -> None:
        for plane in planes:
            plane[...] = LEVELS[n]

    cut = {4: {"_SceneChangeNext": 1}, 5: {"_SceneChangePrev": 1}}
    return drawn(draw, length=len(LEVELS), form=vs.RGB24, props=lambda n: {"_Kept": n, **cut.get(n, {})})


def levels(clip: Clip) -> list[int]:
    return [int(np.asarray(frame[0])[0, 0]) for frame in clip.frames()]


def test_every_frame_is_restored_from_its_own_scene(clip: Clip) -> None:
    """The median of three: the speck goes, and nothing comes from beyond the cut or the clip's ends."""
    restored = core.vsvfi.Enhance(clip, model="torch-median")
    assert levels(restored) == [10, 20, 30, 40, 40, 200, 210, 220, 230]
    assert restored.num_frames == clip.num_frames
    assert restored.fps == clip.fps


def test_without_scenes_neighbours_are_all_around(clip: Clip) -> None:
    assert levels(core.vsvfi.Enhance(clip, model="torch-median", sc=0)) == [10, 20, 30, 40, 40, 200, 210, 220, 230]
    swapped = core.std.Trim(clip, 3, 5) + core.std.Trim(clip, 2, 2)  # 30 | 40 (cut) 200 | 90
    assert levels(core.vsvfi.Enhance(swapped, model="torch-median", sc=0)) == [30, 40, 90, 90]
    assert levels(core.vsvfi.Enhance(swapped, model="torch-median", sc=1)) == [30, 40, 200, 90]


def test_properties_are_those_of_the_frame(clip: Clip) -> None:
    for n, frame in enumerate(core.vsvfi.Enhance(clip, model="torch-median").frames()):
        assert frame.props["_Kept"] == n
        assert (frame.props["_DurationNum"], frame.props["_DurationDen"]) == (1, 25)


def test_formats_and_tiles(clip: Clip) -> None:
    """It is the engine of Interpolate: any format, in tiles, at odd sizes."""
    for form in (vs.YUV420P8, vs.GRAY16, vs.RGBS):
        given = clip.resize.Bicubic(
            format=form, width=130, height=98, **({} if form == vs.RGBS else {"matrix_s": "709"})
        )
        restored = core.vsvfi.Enhance(given, model="torch-median", tile=64)
        frame = restored.get_frame(2)
        assert (frame.format.id, frame.width, frame.height) == (form, 130, 98)
        whole = core.vsvfi.Enhance(given, model="torch-median").get_frame(2)
        for plane in range(frame.format.num_planes):
            np.testing.assert_allclose(np.asarray(frame[plane]), np.asarray(whole[plane]), atol=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "flow"}, "model 'flow' interpolates: use core.vsvfi.Interpolate"),
        ({"model": "torch-medium"}, "unknown model 'torch-medium'; closest: torch-median"),
        (
            {"model": "torch-median", "precision": "fp8"},
            "precision must be one of 'auto', 'fp32', 'fp16', 'bf16', got 'fp8'",
        ),
        ({"model": "torch-median", "tile": 8}, "tile must be one or two numbers of at least 64"),
        ({"model": "torch-median", "sc_threshold": 2.0}, "sc_threshold must be above 0 and at most 1, got 2"),
        ({}, "model 'memc-net-ve' needs weights"),
    ],
)
def test_mistakes_are_one_line(
    clip: Clip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    with pytest.raises(vs.Error) as error:
        core.vsvfi.Enhance(clip, **arguments)
    assert str(error.value).startswith(f"vsvfi.Enhance: {message}")
    assert "\n" not in str(error.value)


def test_interpolate_refuses_models_that_enhance(clip: Clip) -> None:
    with pytest.raises(vs.Error, match=r"model 'torch-median' enhances: use core\.vsvfi\.Enhance"):
        core.vsvfi.Interpolate(clip, model="torch-median")


def test_it_has_the_arguments_of_interpolate(clip: Clip) -> None:
    """Those that make sense, with the same types and defaults, in scripts and in Python."""
    shared = {argument.name: argument for argument in ARGUMENTS if argument.name in module.ARGUMENTS}
    assert set(shared) == set(module.ARGUMENTS)
    kinds = (f"{name}:{'int' if shared[name].kind == 'flag' else shared[name].kind}:opt;" for name in module.ARGUMENTS)
    assert core.vsvfi.Enhance.signature == "clip:vnode;" + "".join(kinds)
    theirs = inspect.signature(vsvfi.enhance).parameters
    assert tuple(theirs)[1:] == module.ARGUMENTS
    for name in module.ARGUMENTS[1:]:
        assert theirs[name].default == shared[name].default, name
    assert levels(vsvfi.enhance(clip, model="torch-median"))[2] == 30


def test_models_that_enhance_are_listed_apart(models: Any) -> None:
    """`vsvfi models` has them; what Interpolate can use has not."""
    del models
    assert {"memc-net-ve", "torch-median"} <= set(registry.enhancers())
    assert "torch-median" in {entry.info.name for entry in availability()}
    assert "torch-median" not in usable_models()
    assert not set(registry.enhancers()) & set(registry.backends())


def test_memc_net_ve(clip: Clip, tmp_path: Path) -> None:
    """A small network of its kind, whose file is recognised, restores as the network itself does."""
    info = weights.networks()["memc-net-ve"]
    torch.manual_seed(0)
    network = load_object("vsvfi.nets.memc_net.enhancement:example")("memc-net-ve").eval()
    path = tmp_path / "small.safetensors"
    export_weights(path, weights.trained_names(info, network.state_dict()), half=False, metadata={})
    given = clip.std.Crop(right=0).resize.Bicubic(width=64, height=64)
    restored = core.vsvfi.Enhance(given, weights=str(path))
    window = [np.stack([np.asarray(given.get_frame(n)[k]) for k in range(3)]) for n in (0, 0, 0, 1, 2, 3, 4)]
    with torch.no_grad():
        expected = network(torch.from_numpy(np.stack(window)).float()[:, None] / 255).out[0]
    got = np.stack([np.asarray(restored.get_frame(1)[k]) for k in range(3)])
    wanted = (expected.clamp(0, 1) * 255).round().numpy()
    # Frame 1 of a scene of five: -2, -1 and 0 are the first, the last neighbours are 2, 3 and 4.
    assert np.abs(got - wanted).max() <= 1


@pytest.mark.parametrize(
    ("n", "cuts", "expected"),
    [
        (5, set(), (2, 3, 4, 5, 6, 7, 8)),
        (0, set(), (0, 0, 0, 0, 1, 2, 3)),
        (9, set(), (6, 7, 8, 9, 9, 9, 9)),
        (5, {5}, (5, 5, 5, 5, 6, 7, 8)),
        (5, {4, 7}, (4, 4, 4, 5, 6, 6, 6)),
        (5, {5, 6}, (5,) * 7),
    ],
)
def test_windows_stay_in_their_scene(n: int, cuts: set[int], expected: tuple[int, ...]) -> None:
    assert within_scene(n, range(-3, 4), 9, cuts.__contains__) == expected
