"""Generated scenes: exact, deterministic, and the same on numpy and on torch."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from vsvfi.train.scenes import LAYERS, Scenes, SceneStyle, render
from vsvfi.train.textures import draw_bank

SIZE = (40, 56)


@pytest.fixture(scope="module")
def bank() -> np.ndarray:
    """A few small textures."""
    return draw_bank(3, 8, 64)


def generate(indices: list[int], style: SceneStyle | None = None) -> Scenes:
    """Scenes of the tests' size."""
    return Scenes.generate(5, indices, size=SIZE, textures=8, texture_size=64, style=style)


def at(scenes: Scenes, time: float, bank: np.ndarray) -> np.ndarray:
    """The pictures of all scenes at one time."""
    pictures: NDArray[Any] = render(scenes, np.full(len(scenes.texture), time, np.float32), bank, size=SIZE)
    return pictures


def only(scenes: Scenes, **changes: np.ndarray) -> Scenes:
    """The scenes without what would change the comparison: light and blur."""
    quiet = {"light": np.zeros_like(scenes.light), "shutter": np.zeros_like(scenes.shutter)}
    return dataclasses.replace(scenes, **quiet, **changes)


def test_textures_depend_on_their_seed_alone() -> None:
    """The same bank for the same seed, another for another, and a longer one begins like a shorter."""
    first = draw_bank(1, 4, 32)
    assert_array_equal(first, draw_bank(1, 8, 32)[:4])
    assert (first != draw_bank(2, 4, 32)).mean() > 0.5
    assert all(texture.std() > 2 for texture in first)


def test_photographs_are_used() -> None:
    """With photographs, every second texture is cut from one."""
    photo = np.zeros((50, 70, 3), np.uint8)
    photo[..., 0] = 200
    bank = draw_bank(1, 4, 32, [photo])
    assert_array_equal(bank[1], np.broadcast_to([200, 0, 0], bank[1].shape))
    assert (bank[0] != bank[1]).any()


def test_a_scene_depends_on_seed_and_index_alone(bank: np.ndarray) -> None:
    """Whatever other scenes are in the batch, so that any number of workers draw the same."""
    both = at(only(generate([4, 9])), 0.3, bank)
    assert_array_equal(both[1], at(only(generate([9])), 0.3, bank)[0])
    assert (both[0] != both[1]).mean() > 0.5


def test_numpy_and_torch_draw_the_same(bank: np.ndarray) -> None:
    """The demo draws with numpy, the trainer with torch."""
    scenes = generate(list(range(6)))
    time = np.linspace(-1, 2, 6, dtype=np.float32)
    drawn = render(scenes.to(torch.from_numpy), torch.from_numpy(time), torch.from_numpy(bank), size=SIZE)
    assert_allclose(drawn.numpy(), render(scenes, time, bank, size=SIZE), atol=2e-4)


def test_motion_is_exact(bank: np.ndarray) -> None:
    """A background that accelerates by whole pixels is the same picture, moved."""
    scenes = generate([0])
    motion = np.zeros_like(scenes.motion)
    motion[:, 0, 0, :3] = (20, 3, 1)
    radius = np.zeros_like(scenes.radius)
    radius[:, 0] = 1e6
    scenes = only(scenes, motion=motion, radius=radius, bend=np.zeros_like(scenes.bend))
    start = at(scenes, 0, bank)[0]
    for time, shift in ((1, 4), (2, 10)):
        assert_allclose(at(scenes, time, bank)[0][:, shift:], start[:, :-shift], atol=1e-4)


def test_an_overlay_stands_still_under_a_moving_camera(bank: np.ndarray) -> None:
    """A caption does not follow the camera."""
    scenes = generate([1])
    motion = np.zeros_like(scenes.motion)
    motion[:, LAYERS, 0, 1] = 5
    motion[:, LAYERS - 1, :2, 0] = (28, 20)
    radius = np.zeros_like(scenes.radius)
    radius[:, 0], radius[:, LAYERS - 1] = 1e6, 12
    scenes = only(
        scenes, motion=motion, radius=radius, bend=np.zeros_like(scenes.bend), hole=np.zeros_like(scenes.hole)
    )
    first, second = at(scenes, 0, bank)[0], at(scenes, 1, bank)[0]
    inside = slice(17, 23), slice(25, 31)
    assert_allclose(second[inside], first[inside], atol=1e-5)
    assert np.abs(second[:4] - first[:4]).mean() > 0.005


def test_objects_hide_what_is_behind_them(bank: np.ndarray) -> None:
    """Where a hard-edged object is, the background does not show through."""
    scenes = generate([2])
    radius = np.zeros_like(scenes.radius)
    radius[:, 0], radius[:, 1] = 1e6, 12
    motion = np.zeros_like(scenes.motion)
    motion[:, 1, :2, 0] = (28, 20)
    scenes = only(scenes, radius=radius, motion=motion, hole=np.zeros_like(scenes.hole))
    other = dataclasses.replace(scenes, texture=(scenes.texture + np.array([1, 0, 0, 0, 0, 0])) % 8)
    difference = np.abs(at(scenes, 0, bank) - at(other, 0, bank))[0].max(-1)
    assert difference[18:22, 26:30].max() < 1e-6
    assert difference[:3].mean() > 0.01


def test_an_open_shutter_blurs_along_the_motion(bank: np.ndarray) -> None:
    """Motion blur is the mean over the time of exposure."""
    scenes = generate([0])
    motion = np.zeros_like(scenes.motion)
    motion[:, 0, 0, 1] = 10
    scenes = only(scenes, motion=motion)
    blurred = dataclasses.replace(scenes, shutter=np.full(1, 0.5, np.float32))
    instants = [at(scenes, (i + 0.5) / 5 * 0.5 - 0.25, bank) for i in range(5)]
    assert_allclose(at(blurred, 0, bank), np.mean(instants, 0), atol=1e-5)


def test_style_limits_speed() -> None:
    """A style without motion gives scenes that stand still."""
    still = SceneStyle(max_speed=1e-9, max_turn=0, max_zoom=0, camera=0)
    motion = generate(list(range(20)), still).motion
    assert np.abs(motion[..., 1:]).max() < 1e-5
    assert np.abs(generate(list(range(20))).motion[..., 1:]).max() > 1
