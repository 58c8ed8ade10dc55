"""The demo's contact sheet: the new frames in order, close-ups against the truth, PSNR over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["Pictures", "write"]

type Image = NDArray[np.uint8]
type Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Where the pictures come from, by output frame ``(H, W, 3)`` RGB, and their PSNRs in dB."""

    made: Callable[[int], Image]
    truth: Callable[[int], Image]
    blended: Callable[[int], Image]
    psnr: Mapping[int, float]
    blended_psnr: Mapping[int, float]


_BACK, _PANEL, _TEXT, _DIM = (17, 19, 26), (28, 31, 41), (236, 238, 242), (150, 156, 170)
_GOOD, _POOR = (94, 214, 160), (240, 138, 93)


def write(path: Path, model: str, pictures: Pictures, *, rate: int, factor: int, cut: int) -> Path:
    """Draw the sheet and write it as PNG; ``cut`` is the source frame that begins the second scene."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    height, width, _ = pictures.truth(0).shape
    new, blended = pictures.psnr, pictures.blended_psnr
    wide, margin = 1600, 36
    cell = (wide - 2 * margin - 4 * 12) // 5
    strip_height = round(cell * height / width)
    close = (wide - 2 * margin - 3 * 12) // 4
    close_height = round(close * 0.62)
    high = 120 + strip_height + 50 + 2 * (close_height + 64) + 250
    page = Pillow.new("RGB", (wide, high), _BACK)
    draw = ImageDraw.Draw(page)

    def text(at: tuple[float, float], words: str, size: int, colour: Colour = _TEXT) -> None:
        draw.text(at, words, fill=colour, font=ImageFont.load_default(size))

    mean, mean_blended = (sum(values.values()) / len(values) for values in (new, blended))
    text((margin, 26), f"vsvfi demo: {rate} frames a second become {rate * factor}", 34)
    text(
        (margin, 70),
        f"model “{model}”: {mean:.2f} dB on {len(new)} new frames against the truth; "
        f"blending the source frames: {mean_blended:.2f} dB",
        20,
        _DIM,
    )

    moments = [_moment(source * factor + factor // 2, new) for source in (cut // 2, cut + cut // 2)]
    top = 120
    for column in range(factor + 1):
        n = moments[0] - moments[0] % factor + column
        left = margin + column * (cell + 12)
        small = Pillow.fromarray(pictures.made(n)).resize((cell, strip_height), Pillow.Resampling.LANCZOS)
        page.paste(small, (left, top))
        is_source = column in (0, factor)
        draw.rectangle(
            (left, top + strip_height, left + cell - 1, top + strip_height + 4), _DIM if is_source else _GOOD
        )
        label = "source frame" if is_source else f"new: {column}/{factor} of the way, {new[n]:.1f} dB"
        text((left, top + strip_height + 10), label, 16, _DIM if is_source else _TEXT)

    top += strip_height + 54
    for n, window in zip(moments, _WINDOWS, strict=True):
        truth = pictures.truth(n)
        error = np.clip(np.abs(pictures.made(n).astype(int) - truth) * 4, 0, 255).astype(np.uint8)
        panels: Sequence[tuple[str, Image, Colour]] = (
            (f"frame blending, {blended[n]:.1f} dB", pictures.blended(n), _POOR),
            (f"vsvfi “{model}”, {new[n]:.1f} dB", pictures.made(n), _GOOD),
            ("the truth, drawn at that instant", truth, _DIM),
            (f"difference of “{model}” to the truth, 4 times", error, _DIM),
        )
        for column, (label, image, colour) in enumerate(panels):
            left = margin + column * (close + 12)
            crop = Pillow.fromarray(image).crop(_crop(window, close / close_height))
            page.paste(crop.resize((close, close_height), Pillow.Resampling.BICUBIC), (left, top))
            draw.rectangle((left, top + close_height, left + close - 1, top + close_height + 4), colour)
            text((left, top + close_height + 10), label, 17)
        top += close_height + 58
    _chart(draw, text, (margin, top + 6, wide - margin, high - 44), new, blended, cut * factor - factor // 2)
    page.save(path, optimize=True)
    return path


_WINDOWS = ((300.0, 170.0, 330.0), (320.0, 245.0, 390.0))
"""Centre and width, in pixels, of the close-ups of the two scenes."""


def _moment(n: int, new: Mapping[int, float]) -> int:
    """The new frame nearest to ``n``."""
    return n if n in new else min(new, key=lambda other: abs(other - n))


def _crop(window: tuple[float, float, float], aspect: float) -> tuple[int, int, int, int]:
    x, y, width = window
    height = width / aspect
    return round(x - width / 2), round(y - height / 2), round(x + width / 2), round(y + height / 2)


def _chart(
    draw: ImageDraw,
    text: Callable[..., None],
    box: tuple[int, int, int, int],
    new: Mapping[int, float],
    blended: Mapping[int, float],
    cut: int,
) -> None:
    left, top, right, bottom = box
    values = [*new.values(), *blended.values()]
    low, high = min(values) - 1, max(values) + 1
    last = max(new)
    draw.rounded_rectangle(box, 8, fill=_PANEL)

    def at(n: int, value: float) -> tuple[float, float]:
        across = left + 56 + (right - left - 72) * n / last
        return across, bottom - 8 - (bottom - top - 16) * (value - low) / (high - low)

    step = 5 if high - low > 12 else 2
    for level in range(-(-int(low) // step) * step, int(high) + 1, step):
        y = at(0, level)[1]
        draw.line((left + 56, y, right - 16, y), fill=(52, 57, 72))
        text((left + 10, y - 9), f"{level} dB", 14, _DIM)
    x = at(cut, low)[0]
    draw.line((x, top + 8, x, bottom - 8), fill=_DIM)
    text((x + 6, top + 8), "cut", 14, _DIM)
    for series, colour in ((blended, _POOR), (new, _GOOD)):
        for n, value in series.items():
            cx, cy = at(n, value)
            draw.ellipse((cx - 3, cy - 3, cx + 3, cy + 3), fill=colour)
    text((left, bottom + 10), "PSNR of every new frame, in time:", 16, _DIM)
    text((left + 270, bottom + 10), "vsvfi", 16, _GOOD)
    text((left + 330, bottom + 10), "frame blending", 16, _POOR)
