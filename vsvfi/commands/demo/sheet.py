"""The demo's contact sheet: the new frames in order, close-ups against the truth, PSNR over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

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


_WIDTH, _MARGIN, _GAP = 1600, 36, 12


class _Page:
    """A page that is drawn on from top to bottom; sizes are in pixels."""

    def __init__(self, pictures: Pictures, factor: int) -> None:
        from PIL import Image as Pillow
        from PIL import ImageDraw

        self.pictures, self.factor = pictures, factor
        height, width, _ = pictures.truth(0).shape
        cell = (_WIDTH - 2 * _MARGIN - factor * _GAP) // (factor + 1)
        close = (_WIDTH - 2 * _MARGIN - 3 * _GAP) // 4
        self.cell = (cell, round(cell * height / width))
        self.close_up = (close, round(close * 0.62))
        self.height = 120 + self.cell[1] + 50 + 2 * (self.close_up[1] + 64) + 250
        self.image = Pillow.new("RGB", (_WIDTH, self.height), _BACK)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, at: tuple[float, float], words: str, size: int, colour: Colour = _TEXT) -> None:
        from PIL import ImageFont

        self.draw.text(at, words, fill=colour, font=ImageFont.load_default(size))

    def panel(self, image: Picture, at: tuple[int, int], label: str, size: int, bar: Colour, words: Colour) -> None:
        """A picture with a coloured bar and a label below it."""
        (left, top), (width, height) = at, image.size
        self.image.paste(image, at)
        self.draw.rectangle((left, top + height, left + width - 1, top + height + 4), bar)
        self.text((left, top + height + 10), label, size, words)

    def title(self, model: str, rate: int) -> None:
        new, blended = self.pictures.psnr, self.pictures.blended_psnr
        mean, mean_blended = (sum(values.values()) / len(values) for values in (new, blended))
        self.text((_MARGIN, 26), f"vsvfi demo: {rate} frames a second become {rate * self.factor}", 34)
        self.text(
            (_MARGIN, 70),
            f"model “{model}”: {mean:.2f} dB on {len(new)} new frames against the truth; "
            f"blending the source frames: {mean_blended:.2f} dB",
            20,
            _DIM,
        )

    def strip(self, top: int, moment: int) -> None:
        """The new frames around a moment, between their source frames."""
        from PIL import Image as Pillow

        for column in range(self.factor + 1):
            n = moment - moment % self.factor + column
            small = Pillow.fromarray(self.pictures.made(n)).resize(self.cell, Pillow.Resampling.LANCZOS)
            at = (_MARGIN + column * (self.cell[0] + _GAP), top)
            if column in (0, self.factor):
                self.panel(small, at, "source frame", 16, _DIM, _DIM)
            else:
                label = f"new: {column}/{self.factor} of the way, {self.pictures.psnr[n]:.1f} dB"
                self.panel(small, at, label, 16, _GOOD, _TEXT)

    def close_ups(self, top: int, model: str, n: int, window: tuple[float, float, float]) -> None:
        """One new frame closely: blended, made, true, and what differs."""
        from PIL import Image as Pillow

        made, truth = self.pictures.made(n), self.pictures.truth(n)
        error = np.clip(np.abs(made.astype(int) - truth) * 4, 0, 255).astype(np.uint8)
        panels: Sequence[tuple[str, Image, Colour]] = (
            (f"frame blending, {self.pictures.blended_psnr[n]:.1f} dB", self.pictures.blended(n), _POOR),
            (f"vsvfi “{model}”, {self.pictures.psnr[n]:.1f} dB", made, _GOOD),
            ("the truth, drawn at that instant", truth, _DIM),
            (f"difference of “{model}” to the truth, 4 times", error, _DIM),
        )
        for column, (label, image, colour) in enumerate(panels):
            crop = Pillow.fromarray(image).crop(_crop(window, self.close_up[0] / self.close_up[1]))
            large = crop.resize(self.close_up, Pillow.Resampling.BICUBIC)
            self.panel(large, (_MARGIN + column * (self.close_up[0] + _GAP), top), label, 17, colour, _TEXT)


def write(path: Path, model: str, pictures: Pictures, *, rate: int, factor: int, cut: int) -> Path:
    """Draw the sheet and write it as PNG; ``cut`` is the source frame that begins the second scene."""
    page = _Page(pictures, factor)
    page.title(model, rate)
    moments = [_moment(source * factor + factor // 2, pictures.psnr) for source in (cut // 2, cut + cut // 2)]
    page.strip(120, moments[0])
    top = 120 + page.cell[1] + 54
    for n, window in zip(moments, _WINDOWS, strict=True):
        page.close_ups(top, model, n, window)
        top += page.close_up[1] + 58
    box = (_MARGIN, top + 6, _WIDTH - _MARGIN, page.height - 44)
    _chart(page, box, cut * factor - factor // 2)
    page.image.save(path, optimize=True)
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


def _chart(page: _Page, box: tuple[int, int, int, int], cut: int) -> None:
    """PSNR of every new frame over time, with the cut at output frame ``cut``."""
    draw, text = page.draw, page.text
    new, blended = page.pictures.psnr, page.pictures.blended_psnr
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
