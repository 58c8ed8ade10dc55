"""Generated scenes with an exact picture at any time: textured layers that move, turn, bend and occlude each other.

A scene is a few numbers; drawing it is pure arithmetic on arrays and runs on numpy or on torch tensors of
any device, with the same result. Times are in frames, positions in pixels. No torch is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYERS", "SceneStyle", "Scenes", "render"]

LAYERS = 6
"""Layers of a scene: the background, up to four objects, and a static overlay (absent ones are transparent)."""

_OVERLAY = LAYERS - 1
_HARMONICS = 4
_EVERYWHERE = 1e6


@dataclass(frozen=True, kw_only=True)
class SceneStyle:
    """Ranges that scenes are drawn from: lengths and speeds (per frame) as shares of the picture's smaller side."""

    max_speed: float = 0.09
    max_acceleration: float = 0.6
    """of an object's speed, gained or lost in one frame"""
    max_jerk: float = 0.3
    max_turn: float = 0.12
    """radians per frame"""
    max_zoom: float = 0.05
    """natural logarithm per frame"""
    camera: float = 0.5
    """share of scenes whose camera moves"""
    blur: float = 0.25
    """share of scenes with motion blur"""
    lighting: float = 0.2
    """share of scenes whose brightness changes"""
    overlay: float = 0.1
    """share of scenes with a static overlay"""


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """A batch of scenes: arrays ``(N, ...)``, numpy or torch."""

    texture: Any
    """``(N, LAYERS)``, index in the bank"""
    origin: Any
    """``(N, LAYERS, 2)``, where in the texture a layer's centre lies"""
    motion: Any
    """``(N, LAYERS + 1, 5, 4)``: polynomials in time (constant to cubic) of x, y, angle, log zoom and shear; the
    last row is the camera's"""
    bend: Any
    """``(N, LAYERS, 6)``: non-rigid warp: amplitude, wave vector (2), phase, phase speed, direction"""
    radius: Any
    """``(N, LAYERS)``, 0 = absent"""
    outline: Any
    """``(N, LAYERS, 2, 4)``: cosine and sine amplitudes of the outline's harmonics 2 to 5, relative to the radius"""
    softness: Any
    """``(N, LAYERS)``, width of the edge in pixels"""
    hole: Any
    """``(N, LAYERS)``, radius of a hole relative to the radius"""
    tint: Any
    """``(N, LAYERS, 2, 3)``, gain and offset of a layer's colours"""
    light: Any
    """``(N, 2)``, change of brightness per frame, linear and quadratic"""
    shutter: Any
    """``(N,)``, share of a frame time during which the shutter is open"""

    @classmethod
    def generate(
        cls,
        seed: int,
        indices: Sequence[int],
        *,
        size: tuple[int, int],
        textures: int,
        texture_size: int,
        style: SceneStyle | None = None,
    ) -> Self:
        """Scenes for pictures of ``size`` (height, width); each depends on ``seed`` and its index alone."""
        style = style or SceneStyle()
        drafts = [_draft(np.random.default_rng((seed, i)), size, textures, texture_size, style) for i in indices]
        return cls(**{field.name: np.stack([draft[field.name] for draft in drafts]) for field in fields(cls)})

    def to(self, convert: Any) -> Self:
        """The same scenes with every array passed through ``convert``, as ``torch.from_numpy``."""
        return type(self)(**{field.name: convert(getattr(self, field.name)) for field in fields(self)})


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _motion(rng: np.random.Generator, smaller: float, style: SceneStyle, strength: float) -> NDArray[np.float32]:
    """Polynomial coefficients (constant part 0) of a body with momentum: each derivative follows the one before."""
    motion = np.zeros((5, 4), np.float32)
    order = rng.integers(1, 4)
    speed = strength * smaller * _log_uniform(rng, style.max_speed / 60, style.max_speed)
    heading = rng.uniform(0, 2 * np.pi)

    def vector(length: float, direction: float) -> NDArray[np.float64]:
        return length * np.array([np.cos(direction), np.sin(direction)])

    motion[:2, 1] = vector(speed, heading)
    if order >= 2:
        # Braking and speeding up are as common as turning.
        direction = heading + rng.choice([0, np.pi, rng.uniform(0, 2 * np.pi)])
        motion[:2, 2] = vector(speed * rng.uniform(0.1, style.max_acceleration), direction) / 2
    if order == 3:
        motion[:2, 3] = vector(speed * rng.uniform(0, style.max_jerk), rng.uniform(0, 2 * np.pi)) / 6
    for row, largest in ((2, style.max_turn), (3, style.max_zoom), (4, style.max_zoom)):
        if rng.random() < 0.4:
            rate = strength * largest * rng.uniform(-1, 1)
            motion[row, 1] = rate
            motion[row, 2] = rate * rng.uniform(-1, 1) * style.max_acceleration / 2
    return motion


def _draft(
    rng: np.random.Generator, size: tuple[int, int], textures: int, texture_size: int, style: SceneStyle
) -> dict[str, NDArray[Any]]:
    height, width = size
    smaller = min(size)
    scene: dict[str, NDArray[Any]] = {
        "texture": rng.integers(0, textures, LAYERS),
        "origin": rng.uniform(0, texture_size, (LAYERS, 2)).astype(np.float32),
        "motion": np.zeros((LAYERS + 1, 5, 4), np.float32),
        "bend": np.zeros((LAYERS, 6), np.float32),
        "radius": np.zeros(LAYERS, np.float32),
        "outline": (rng.normal(0, 1, (LAYERS, 2, _HARMONICS)) * 0.15 / np.arange(1, _HARMONICS + 1)).astype(np.float32),
        "softness": np.where(rng.random(LAYERS) < 0.75, 1.0, rng.uniform(2, 12, LAYERS)).astype(np.float32),
        "hole": np.where(rng.random(LAYERS) < 0.15, rng.uniform(0.2, 0.6, LAYERS), 0).astype(np.float32),
        "tint": np.zeros((LAYERS, 2, 3), np.float32),
        "light": np.zeros(2, np.float32),
        "shutter": np.asarray(rng.uniform(0.2, 0.6) if rng.random() < style.blur else 0, np.float32),
    }
    scene["tint"][:, 0] = rng.uniform(0.6, 1.1, (LAYERS, 1)) + rng.uniform(-0.1, 0.1, (LAYERS, 3))
    scene["tint"][:, 1] = rng.uniform(-0.1, 0.15, (LAYERS, 1))
    objects = int(rng.integers(1, LAYERS - 1))
    scene["radius"][0] = _EVERYWHERE
    scene["hole"][0] = 0
    for layer in range(LAYERS):
        body = layer <= objects
        if body:
            scene["motion"][layer] = _motion(rng, smaller, style, 0.6 if layer == 0 else 1.0)
        if 1 <= layer <= objects:
            scene["radius"][layer] = smaller * _log_uniform(rng, 0.06, 0.35)
        if body and rng.random() < 0.25:
            wavelength = smaller * rng.uniform(0.3, 1.0)
            direction = rng.uniform(0, 2 * np.pi)
            scene["bend"][layer] = (
                rng.uniform(0.003, 0.015) * smaller,
                2 * np.pi / wavelength * np.cos(direction),
                2 * np.pi / wavelength * np.sin(direction),
                rng.uniform(0, 2 * np.pi),
                rng.uniform(-1.2, 1.2),
                rng.uniform(0, 2 * np.pi),
            )
        scene["motion"][layer, 0, 0] = rng.uniform(0.1, 0.9) * width
        scene["motion"][layer, 1, 0] = rng.uniform(0.1, 0.9) * height
        scene["motion"][layer, 2, 0] = rng.uniform(0, 2 * np.pi)
        scene["motion"][layer, 3, 0] = rng.uniform(-0.2, 0.2)
    if rng.random() < style.overlay:
        scene["radius"][_OVERLAY] = smaller * rng.uniform(0.05, 0.15)
    if rng.random() < style.camera:
        scene["motion"][LAYERS] = _motion(rng, smaller, style, 0.6)
        scene["motion"][LAYERS, 2:] *= 0.3
    if rng.random() < style.lighting:
        scene["light"] = rng.uniform(-0.04, 0.04, 2).astype(np.float32)
    return scene


def _polynomial(coefficients: Any, time: Any) -> Any:
    """Values ``(N, 5)`` of polynomials ``(N, 5, 4)`` at ``time`` ``(N,)``."""
    t = time[:, None]
    return ((coefficients[..., 3] * t + coefficients[..., 2]) * t + coefficients[..., 1]) * t + coefficients[..., 0]


def _inverse(xp: ModuleType, motion: Any, time: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Positions ``(N, H, W)`` in a moving body's own coordinates."""
    px, py, angle, zoom, shear = (value[:, None, None] for value in xp.moveaxis(_polynomial(motion, time), -1, 0))
    dx, dy = x - px, y - py
    cosine, sine, scale = xp.cos(angle), xp.sin(angle), xp.exp(-zoom)
    u, v = (cosine * dx + sine * dy) * scale, (cosine * dy - sine * dx) * scale
    return u - shear * v, v


def _mirrored(xp: ModuleType, position: Any, extent: int) -> Any:
    """Positions folded into ``[0, extent - 1]``: textures are mirrored beyond their edges."""
    period = 2.0 * (extent - 1)
    return (extent - 1) - xp.abs(position - xp.floor(position / period) * period - (extent - 1))


def _sample(xp: ModuleType, bank: Any, index: Any, u: Any, v: Any) -> Any:
    """Bilinear samples ``(N, H, W, 3)`` in [0, 1] of textures ``index`` ``(N,)`` at ``(u, v)``."""
    extent = bank.shape[1]
    u, v = _mirrored(xp, u, extent), _mirrored(xp, v, extent)
    left, top = xp.clip(xp.floor(u), 0, extent - 2), xp.clip(xp.floor(v), 0, extent - 2)
    fu, fv = (u - left)[..., None], (v - top)[..., None]
    flat = bank.reshape(-1, 3)
    start = index[:, None, None] * (extent * extent)
    # int64 on either side: numpy and torch name the conversion differently.
    corner = start + (_integers(top) * extent + _integers(left))
    upper = flat[corner] * (1 - fu) + flat[corner + 1] * fu
    lower = flat[corner + extent] * (1 - fu) + flat[corner + extent + 1] * fu
    return (upper * (1 - fv) + lower * fv) / 255


def _integers(values: Any) -> Any:
    return values.astype(np.int64) if isinstance(values, np.ndarray) else values.long()


def _cover(xp: ModuleType, scenes: Scenes, layer: int, u: Any, v: Any) -> Any:
    """How much of each pixel a layer covers ``(N, H, W)``, from its outline and hole in its own coordinates."""
    radius = scenes.radius[:, layer, None, None]
    softness = scenes.softness[:, layer, None, None]
    distance, angle = xp.sqrt(u * u + v * v), xp.arctan2(v, u)
    reach = 1.0
    for k in range(_HARMONICS):
        waves = scenes.outline[:, layer, :, k, None, None]
        reach = reach + waves[:, 0] * xp.cos((k + 2) * angle) + waves[:, 1] * xp.sin((k + 2) * angle)
    body = xp.clip((radius * reach - distance) / softness + 0.5, 0, 1)
    hole_radius = radius * scenes.hole[:, layer, None, None]
    hole = xp.clip((hole_radius - distance) / softness + 0.5, 0, 1)
    hole = xp.where(hole_radius > 0, hole, 0 * hole)
    return xp.where(radius > 0, body * (1 - hole), 0 * body)


def _picture(xp: ModuleType, scenes: Scenes, time: Any, grid: tuple[Any, Any], bank: Any) -> Any:
    x, y = grid
    centre = (x.shape[-1] / 2, y.shape[-2] / 2)
    camera_x, camera_y = _inverse(xp, scenes.motion[:, LAYERS], time, x - centre[0], y - centre[1])
    picture = None
    for layer in range(LAYERS):
        if not bool((scenes.radius[:, layer] > 0).any()):
            continue
        moved = (x, y) if layer == _OVERLAY else (camera_x + centre[0], camera_y + centre[1])
        u, v = _inverse(xp, scenes.motion[:, layer], time, *moved)
        bend = [value[:, None, None] for value in xp.moveaxis(scenes.bend[:, layer], -1, 0)]
        wave = bend[0] * xp.sin(bend[1] * u + bend[2] * v + bend[3] + bend[4] * time[:, None, None])
        u, v = u + wave * xp.cos(bend[5]), v + wave * xp.sin(bend[5])
        origin = scenes.origin[:, layer, :, None, None]
        colour = _sample(xp, bank, scenes.texture[:, layer], u + origin[:, 0], v + origin[:, 1])
        tint = scenes.tint[:, layer, :, None, None]
        colour = colour * tint[:, 0] + tint[:, 1]
        if picture is None:
            picture = colour
        else:
            cover = _cover(xp, scenes, layer, u, v)[..., None]
            picture = picture + cover * (colour - picture)
    light = 1 + scenes.light[:, 0] * time + scenes.light[:, 1] * time * time
    return xp.clip(picture * light[:, None, None, None], 0, 1)


def render(scenes: Scenes, time: Any, bank: Any, *, size: tuple[int, int], blur_samples: int = 5) -> Any:
    """The pictures ``(N, H, W, 3)``, RGB in [0, 1], of scenes at ``time`` ``(N,)``; numpy in, numpy out.

    Args:
        scenes: as arrays, or, through `Scenes.to`, tensors of the device to draw on.
        time: in frames; one a scene.
        bank: textures ``(B, S, S, 3)`` in 0 to 255, `vsvfi.train.textures.draw_bank`, as ``scenes``' arrays.
        size: height and width.
        blur_samples: instants over which an open shutter is averaged.
    """
    height, width = size
    xp: Any
    like: dict[str, Any]
    if isinstance(time, np.ndarray):
        xp, like = np, {"dtype": np.float32}
    else:
        import torch

        xp, like = torch, {"dtype": torch.float32, "device": time.device}
    x = xp.arange(width, **like)[None, None, :] + xp.zeros((1, height, 1), **like)
    y = xp.arange(height, **like)[None, :, None] + xp.zeros((1, 1, width), **like)
    if not bool((scenes.shutter > 0).any()):
        return _picture(xp, scenes, time, (x, y), bank)
    instants = [(i + 0.5) / blur_samples - 0.5 for i in range(blur_samples)]
    pictures = [_picture(xp, scenes, time + offset * scenes.shutter, (x, y), bank) for offset in instants]
    return sum(pictures[1:], pictures[0]) / math.fsum(1 for _ in pictures)
