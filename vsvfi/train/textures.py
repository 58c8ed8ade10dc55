"""Textures for generated scenes: drawn by code, the same for the same seed. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvfi.errors import VsvfiError

__all__ = ["draw_bank", "read_photos"]

type Image = NDArray[np.float32]

_WORDS = ("frame", "MOTION", "Vapour", "24/7", "exit", "cinema", "1080", "Synth", "open", "A7", "west", "quick fox")


def _power_noise(rng: np.random.Generator, size: int, exponent: float) -> NDArray[np.float32]:
    """Noise with spectrum 1 / f ** exponent, periodic, mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**exponent
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (size, size))
    return np.asarray(noise / noise.std(), np.float32)


def _noise(rng: np.random.Generator, size: int) -> Image:
    exponent = rng.uniform(0.8, 1.6)
    base = _power_noise(rng, size, exponent)
    chroma = [0.35 * _power_noise(rng, size, exponent + 0.3) for _ in range(3)]
    colour, contrast = rng.uniform(0.25, 0.75, 3), rng.uniform(0.06, 0.2)
    return np.stack([np.float32(colour[c]) + np.float32(contrast) * (base + chroma[c]) for c in range(3)], -1)


def _dead_leaves(rng: np.random.Generator, size: int) -> Image:
    """Opaque discs over one another, their radii distributed as r ** -3, like the sizes of things in photographs."""
    palette = rng.uniform(0.05, 0.95, (rng.integers(4, 12), 3))
    image = np.empty((size, size, 3), np.float32)
    image[:] = palette[0]
    smallest, largest = 2.0, size / 4
    grain = 0.04 * _power_noise(rng, size, 0.6)
    for _ in range(int(rng.integers(250, 700))):
        u = rng.random()
        radius = (largest**-2 + u * (smallest**-2 - largest**-2)) ** -0.5
        centre = rng.uniform(0, size, 2)
        colour = palette[rng.integers(len(palette))] + rng.normal(0, 0.05, 3)
        cv2.circle(
            image,
            (int(centre[0] * 16), int(centre[1] * 16)),
            int(radius * 16),
            tuple(map(float, colour)),
            -1,
            cv2.LINE_8,
            4,
        )
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.6) + grain[..., None], np.float32)


def _stripes(rng: np.random.Generator, size: int) -> Image:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    first, second = rng.uniform(0.05, 0.95, (2, 3))
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 40)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    if rng.random() < 0.4:
        wave *= np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / (period * rng.uniform(0.7, 1.5)))
    blend = 1 / (1 + np.exp(-rng.uniform(2, 8) * wave))[..., None]
    grain = 0.03 * _power_noise(rng, size, 1.0)[..., None]
    return np.asarray(first + (second - first) * blend + grain, np.float32)


def _text(rng: np.random.Generator, size: int) -> Image:
    image = np.empty((size, size, 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    for _ in range(int(rng.integers(10, 26))):
        word = _WORDS[rng.integers(len(_WORDS))]
        origin = (int(rng.uniform(-0.1, 0.8) * size), int(rng.uniform(0, 1) * size))
        font, scale, weight = int(rng.integers(0, 5)), rng.uniform(0.5, 1.8), int(rng.integers(1, 4))
        cv2.putText(image, word, origin, font, scale, rng.integers(0, 256, 3).tolist(), weight, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image / np.float32(255), (0, 0), 0.7), np.float32)


def _gradient(rng: np.random.Generator, size: int) -> Image:
    corners = rng.uniform(0.1, 0.9, (4, 3)).astype(np.float32)
    u = np.linspace(0, 1, size, dtype=np.float32)[None, :, None]
    v = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    smooth = (corners[0] * (1 - u) + corners[1] * u) * (1 - v) + (corners[2] * (1 - u) + corners[3] * u) * v
    return np.asarray(smooth + 0.02 * _power_noise(rng, size, 1.3)[..., None], np.float32)


def _photo(rng: np.random.Generator, size: int, photo: NDArray[np.uint8]) -> Image:
    height, width = photo.shape[:2]
    scale = max(size / min(height, width), rng.uniform(0.6, 1.0))
    scaled = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (int(rng.integers(0, max(1, extent - size + 1))) for extent in scaled.shape[:2])
    crop = scaled[top : top + size, left : left + size]
    return np.asarray(cv2.resize(crop, (size, size)) / np.float32(255), np.float32)


def draw_bank(seed: int, count: int, size: int, photos: Sequence[NDArray[np.uint8]] = ()) -> NDArray[np.uint8]:
    """Textures ``(count, size, size, 3)``, RGB; with photographs, every second one is cut from one."""
    drawn = (_dead_leaves, _noise, _dead_leaves, _stripes, _noise, _text, _dead_leaves, _gradient)
    bank = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        if photos and index % 2:
            texture = _photo(rng, size, photos[index // 2 % len(photos)])
        else:
            texture = drawn[(index // 2 if photos else index) % len(drawn)](rng, size)
        bank[index] = np.clip(texture * 255 + 0.5, 0, 255)
    return bank


def read_photos(folder: Path) -> list[NDArray[np.uint8]]:
    """The photographs ``(H, W, 3)``, RGB, in a folder.

    Raises:
        VsvfiError: the folder is missing or holds no image.
    """
    names = sorted(p for p in folder.glob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp", ".tif"})
    images = [cv2.imread(str(name), cv2.IMREAD_COLOR) for name in names]
    photos = [np.ascontiguousarray(image[..., ::-1]) for image in images if image is not None]
    if not photos:
        raise VsvfiError(f"there are no images (png, jpg, webp, tif) in {folder}")
    return [photo.astype(np.uint8) for photo in photos]
