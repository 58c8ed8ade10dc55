"""Two short scenes drawn by code, exact at any instant: what the demo interpolates and measures against.

Everything is a function of time and of pixel centres: shapes are signed distances with one pixel of
anti-aliasing, textures are periodic noise sampled between its points. Nothing is blurred by motion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CUT", "DURATION", "HEIGHT", "WIDTH", "draw"]

WIDTH, HEIGHT = 768, 432
CUT = 1.0
"""When the second scene begins, in seconds."""
DURATION = 2.0
"""How long both scenes last together, in seconds."""

type Plane = NDArray[Any]
type Colour = tuple[float, float, float]


@cache
def _pixels() -> tuple[Plane, Plane]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) + np.float32(0.5)
    return x, y


@cache
def _noise(seed: int, roughness: float, size: int = 256) -> Plane:
    """Periodic noise ``(size, size)`` of mean 0 and deviation 1 with a spectrum of ``frequency ** -roughness``."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    spectrum = np.where((frequency > 0) & (frequency < size / 5), np.maximum(frequency, 1.0) ** -roughness, 0.0)
    white = np.random.default_rng(seed).standard_normal((size, size))
    field = np.fft.irfft2(np.fft.rfft2(white) * spectrum, (size, size))
    return (field / field.std()).astype(np.float32)


def _sample(texture: Plane, u: Plane, v: Plane) -> Plane:
    size = texture.shape[0]
    left, top = np.floor(u), np.floor(v)
    fu, fv = u - left, v - top
    x0, y0 = left.astype(np.int32) % size, top.astype(np.int32) % size
    x1, y1 = (x0 + 1) % size, (y0 + 1) % size
    upper = texture[y0, x0] * (1 - fu) + texture[y0, x1] * fu
    lower = texture[y1, x0] * (1 - fu) + texture[y1, x1] * fu
    result: Plane = upper * (1 - fv) + lower * fv
    return result


def _inside(distance: Plane, softness: float = 1.0) -> Plane:
    """How much of a pixel lies inside a shape, from its signed distance in pixels."""
    return np.clip(np.float32(0.5) - distance / np.float32(softness), 0, 1)


def _wave(angle: Plane) -> Plane:
    """Stripes between 0 and 1 with soft edges."""
    return np.clip(0.5 + 2.0 * np.sin(angle), 0, 1)


class _Canvas:
    """An image that is painted from back to front, ``(3, H, W)`` float in [0, 1]."""

    def __init__(self) -> None:
        self.image = np.zeros((3, HEIGHT, WIDTH), np.float32)

    def fill(self, colour: Colour, alpha: Plane | float = 1.0, shade: Plane | float = 0.0) -> None:
        """Paint everywhere."""
        for channel, value in zip(self.image, colour, strict=True):
            channel += alpha * (np.clip(value + shade, 0, 1) - channel)

    def box(self, centre: tuple[float, float], radius: float) -> tuple[slice, slice]:
        """The rows and columns that a shape of this radius can touch."""
        (x, y), reach = centre, radius + 2
        rows = slice(max(0, int(y - reach)), max(0, min(HEIGHT, int(y + reach) + 1)))
        return rows, slice(max(0, int(x - reach)), max(0, min(WIDTH, int(x + reach) + 1)))

    def shape(
        self,
        centre: tuple[float, float],
        radius: float,
        angle: float,
        paint: Callable[[Plane, Plane], tuple[Plane, tuple[Any, Any, Any]]],
    ) -> None:
        """Paint within ``radius`` of a centre: ``paint(u, v)`` gets coordinates that turn with the shape."""
        rows, columns = self.box(centre, radius)
        x, y = (plane[rows, columns] for plane in _pixels())
        if not x.size:
            return
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
        alpha, colour = paint(cos * dx + sin * dy, cos * dy - sin * dx)
        for channel, value in zip(self.image, colour, strict=True):
            part = channel[rows, columns]
            part += alpha * (np.clip(value, 0, 1) - part)

    def shadow(self, centre: tuple[float, float], radius: float, strength: float = 0.45) -> None:
        """A soft round shadow."""
        rows, columns = self.box(centre, 1.5 * radius)
        x, y = (plane[rows, columns] for plane in _pixels())
        away = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1])) / np.float32(radius)
        self.image[:, rows, columns] *= 1 - np.float32(strength) * np.clip(1.35 - away, 0, 1)


def _ridge(x: Plane, seed: int, height: float) -> Plane:
    rng = np.random.default_rng(seed)
    outline = np.zeros_like(x)
    for octave in range(6):
        outline += np.sin(x * np.float32(0.006 * 1.9**octave) + np.float32(rng.uniform(0, 7))) / np.float32(
            1.75**octave
        )
    return outline * np.float32(height)


def _sky(canvas: _Canvas, t: float) -> None:
    x, y = _pixels()
    down = y / HEIGHT
    sun = np.hypot(x - 560, y - 205)
    glow = np.exp(-sun / 130)
    for channel, (top, bottom, light) in zip(
        canvas.image, ((0.10, 0.98, 0.9), (0.13, 0.55, 0.55), (0.36, 0.36, 0.2)), strict=True
    ):
        channel[:] = np.clip(top + (bottom - top) * down**1.3 + 0.55 * light * glow, 0, 1)
    cloud = np.clip(_sample(_noise(11, 1.9), 0.55 * (x + 14 * t), 1.4 * y) * 0.35 - 0.05, 0, 0.6)
    canvas.fill((1.0, 0.76, 0.66), cloud * np.clip(1.2 - 1.7 * down, 0, 1))
    canvas.fill((1.0, 0.93, 0.74), _inside(sun - 38, 1.5))


def _land(canvas: _Canvas, *, seed: int, speed: float, base: float, height: float, colour: Colour, t: float) -> None:
    x, y = _pixels()
    moved = x + np.float32(speed * t)
    outline = np.float32(base) - _ridge(moved[:1], seed, height)
    grain = _sample(_noise(seed, 0.9), 0.9 * moved, 0.9 * y)
    depth = np.clip((y - outline) / 160, 0, 1)
    canvas.fill(colour, _inside((outline - y) * 0.8), 0.04 * grain - 0.12 * depth)


def _windmill(canvas: _Canvas, x: float, y: float, t: float) -> None:
    def tower(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        half = 15 + 0.11 * v
        alpha = _inside(np.maximum(np.abs(u) - half, np.abs(v - 55) - 62))
        bricks = 0.10 * _wave(v * 0.55) - 0.006 * u
        return alpha, (0.86 + bricks - 0.1, 0.78 + bricks - 0.1, 0.70 + bricks - 0.1)

    def blades(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        alpha, lattice = np.zeros_like(u), np.zeros_like(u)
        for quarter in range(4):
            along, across = (u, v, -u, -v)[quarter], (v, -u, -v, u)[quarter]
            sail = _inside(np.maximum(np.abs(along - 47) - 33, np.abs(across - 8) - 8))
            spar = _inside(np.maximum(np.abs(along - 40) - 42, np.abs(across) - 2.0))
            lattice = np.maximum(lattice, sail * _wave(along * 0.75) * 0.3)
            alpha = np.maximum(alpha, np.maximum(sail, spar))
        hub = _inside(np.hypot(u, v) - 7)
        alpha = np.maximum(alpha, hub)
        return alpha, (0.97 - lattice - 0.5 * hub, 0.93 - lattice - 0.6 * hub, 0.86 - 0.8 * lattice - 0.6 * hub)

    canvas.shape((x, y), 120, 0, tower)
    canvas.shape((x, y), 84, 0.3 + 2.4 * t, blades)


def _balloon(canvas: _Canvas, x: float, y: float, t: float) -> None:
    def envelope(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        taper = np.where(v > 0, v / 78, v / 64)
        alpha = _inside((np.hypot(u / 58, taper) - 1) * 56)
        gore = np.arcsin(np.clip(u / (58 * np.sqrt(np.clip(1 - taper**2, 0.02, 1))), -1, 1))
        stripe = _wave(gore * 8.0 + 0.8)
        belt = _inside((np.abs(v + 2) - 10) * 1.0)
        shade = 0.10 - 0.0045 * u + 0.05 * np.sin(v * 0.35)
        red = (0.88 - 0.02 * stripe) * (1 - belt) + belt * 0.99
        green = (0.20 + 0.62 * stripe) * (1 - belt) + belt * 0.95
        blue = (0.24 + 0.25 * stripe) * (1 - belt) + belt * 0.86
        return alpha, (red + shade, green + shade, blue + shade)

    def basket(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        ropes = _inside(np.maximum(np.abs(np.abs(u) - 9 + 0.1 * v) - 1.0, np.abs(v + 8) - 14))
        weave = 0.14 * _wave(u * 1.3) * _wave(v * 1.1)
        body = _inside(np.maximum(np.abs(u) - 12, np.abs(v - 14) - 9))
        return np.maximum(ropes, body), (0.42 + weave, 0.26 + weave, 0.14 + weave)

    tilt = 0.10 * math.sin(3.0 * t)
    canvas.shape((x - 98 * math.sin(tilt), y + 98 * math.cos(tilt)), 34, tilt, basket)
    canvas.shape((x, y), 84, tilt, envelope)


def _fence(canvas: _Canvas, t: float) -> None:
    x, y = _pixels()
    moved = x + np.float32(170 * t)
    within = np.mod(moved, 128) - 64
    grain = 0.07 * _sample(_noise(31, 1.1), 3.0 * moved, 0.4 * y)
    rail = np.maximum(_inside(np.abs(y - 372) - 5), _inside(np.abs(y - 402) - 5))
    canvas.fill((0.30, 0.17, 0.12), rail, grain)
    canvas.fill((0.45, 0.27, 0.19), _inside(np.maximum(np.abs(within) - 11, 340 + np.abs(within) * 0.8 - y)), grain)


def _evening(t: float) -> NDArray[np.float32]:
    """Layers that pass one another, a rotor, and a balloon that climbs ever faster."""
    canvas = _Canvas()
    _sky(canvas, t)
    _land(canvas, seed=3, speed=18, base=262, height=34, colour=(0.36, 0.27, 0.44), t=t)
    _balloon(canvas, 205 + 75 * t, 205 - 40 * t - 45 * t * t, t)
    _land(canvas, seed=6, speed=52, base=330, height=22, colour=(0.30, 0.30, 0.33), t=t)
    _windmill(canvas, 590 - 52 * t, 212, t)
    _land(canvas, seed=9, speed=88, base=392, height=14, colour=(0.20, 0.23, 0.20), t=t)
    _fence(canvas, t)
    return canvas.image


def _quilt(canvas: _Canvas, t: float) -> None:
    x, y = _pixels()
    angle, zoom = 0.25 + 0.12 * t, 1.0 - 0.06 * t
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    u, v = cos * (x - 384) + sin * (y - 216), cos * (y - 216) - sin * (x - 384)
    check = _wave(u * 0.042) * (1 - 2 * _wave(v * 0.042)) + _wave(v * 0.042)
    thread = 0.045 * _sample(_noise(21, 0.8), 0.8 * u, 0.8 * v)
    stitch = 0.05 * np.sin(u * 0.5) * np.sin(v * 0.5)
    canvas.fill((0.15, 0.30, 0.40))
    canvas.fill((0.82, 0.79, 0.70), 0.85 * check, thread + stitch)
    canvas.fill((0.15, 0.30, 0.40), 0.9 * (1 - check), thread + stitch)


def _card(canvas: _Canvas, centre: tuple[float, float], angle: float, colour: Colour) -> None:
    def paint(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        far_u, far_v = np.abs(u) - 50, np.abs(v) - 72
        alpha = _inside(np.hypot(np.maximum(far_u, 0), np.maximum(far_v, 0)) - 10)
        frame = _inside(np.maximum(np.abs(u) - 48, np.abs(v) - 70))
        weave = frame * (0.35 * _wave((u + v) * 0.22) * _wave((u - v) * 0.22) + 0.25)
        radius, around = np.hypot(u, v), np.arctan2(v, u)
        ring, star = _inside(radius - 36), _inside(radius - 22 - 9 * np.sin(5 * around))
        weave = weave * (1 - ring) + ring * (0.06 + 0.74 * star + 0.004 * u)
        return alpha, tuple(0.96 - weave * (1.15 - value) for value in colour)

    canvas.shadow((centre[0] + 10, centre[1] + 14), 78)
    canvas.shape(centre, 104, angle, paint)


def _gear(canvas: _Canvas, centre: tuple[float, float], angle: float) -> None:
    def paint(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        radius, around = np.hypot(u, v), np.arctan2(v, u)
        rim = radius - (62 + 9 * np.clip(2.5 * np.sin(14 * around), -1, 1))
        holes = np.maximum(np.abs(radius - 34) - 11, 13 * (np.cos(5 * around) - 0.45))
        alpha = _inside(rim) * (1 - _inside(np.maximum(holes, 7 - radius)))
        brushed = 0.06 * np.sin(radius * 1.1) + 0.05 * np.cos(2 * around)
        return alpha, (0.86 + brushed, 0.66 + brushed, 0.30 + brushed)

    canvas.shadow((centre[0] + 8, centre[1] + 12), 70)
    canvas.shape(centre, 76, angle, paint)


def _ball(canvas: _Canvas, centre: tuple[float, float], angle: float, height: float) -> None:
    panels = np.array([(0.93, 0.26, 0.21), (0.98, 0.97, 0.93), (0.16, 0.47, 0.85)], np.float32)

    def paint(u: Plane, v: Plane) -> tuple[Plane, tuple[Any, Any, Any]]:
        radius, around = np.hypot(u, v), np.arctan2(v, u)
        sector = np.mod(around + 0.012 * radius, 2 * math.pi) * (6 / (2 * math.pi))
        which = np.floor(sector).astype(np.int32) % 3
        # One pixel of anti-aliasing across the seam to the next panel.
        seam = np.clip((sector - np.floor(sector) - 1) * radius * (2 * math.pi / 6) + 1, 0, 1)[..., None]
        colour = panels[which] * (1 - seam) + panels[(which + 1) % 3] * seam
        colour = np.where((radius < 9)[..., None], np.float32(0.97), colour)
        shade = 0.12 - 0.0035 * radius
        return _inside(radius - 54), tuple(np.moveaxis(colour, -1, 0) + shade)

    canvas.shadow((centre[0] + 14 + height * 0.2, centre[1] + 18 + height * 0.35), 54, 0.5)
    canvas.shape(centre, 58, angle, paint)


def _table(t: float) -> NDArray[np.float32]:
    """A turning ground, two cards that pass over one another, a gear, and a ball that falls and bounces."""
    canvas = _Canvas()
    _quilt(canvas, t)
    _gear(canvas, (628, 130), 0.7 * t + 0.25 * t * t)
    _card(canvas, (500 - 130 * t, 268), -0.35 + 0.4 * t, (0.10, 0.45, 0.42))
    _card(canvas, (255 + 110 * t, 240 + 30 * t), 0.30 - 0.30 * t, (0.72, 0.16, 0.30))
    fall = (t + 0.35) % 1.0 - 0.5
    lift = 90 * (1 - 4 * fall**2)
    _ball(canvas, (100 + 170 * t, 345 - lift), 2.6 * t, lift / 3)
    return canvas.image


@cache
def _caption() -> tuple[Plane, Plane]:
    """Alpha of the plate and of the text, ``(H, W)`` each."""
    from PIL import Image, ImageDraw, ImageFont

    plate, text = (Image.new("L", (WIDTH, HEIGHT)) for _ in range(2))
    font = ImageFont.load_default(19)
    words = "vsvfi: this caption stands still"
    left, top, right, bottom = font.getbbox(words)
    ImageDraw.Draw(plate).rounded_rectangle((22, 22, 22 + right - left + 28, 22 + bottom - top + 22), 9, fill=255)
    ImageDraw.Draw(text).text((36 - left, 33 - top), words, fill=255, font=font)
    return np.asarray(plate, np.float32) / 255, np.asarray(text, np.float32) / 255


def draw(t: float) -> NDArray[np.uint8]:
    """The picture at ``t`` seconds as ``(HEIGHT, WIDTH, 3)`` RGB, 8 bit."""
    canvas = _Canvas()
    canvas.image = _evening(t) if t < CUT else _table(t - CUT)
    plate, text = _caption()
    canvas.fill((0.07, 0.08, 0.11), plate)
    canvas.fill((0.98, 0.98, 0.96), text)
    return np.ascontiguousarray(np.moveaxis(np.rint(np.clip(canvas.image, 0, 1) * 255), 0, -1).astype(np.uint8))
