"""The demo: two short scenes whose true motion is known at every instant, interpolated and measured.

The scenes are drawn at 15 frames a second, go through VapourSynth as YUV 4:2:0 like any video, and come out at
60. Every new frame is compared with the scene drawn at its own instant, and so is what blending the two source
frames would have given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import Clip, Frame, clip_of_frames, clip_of_images, core, image_of
from vsvfi.commands.demo import drawing, sheet
from vsvfi.commands.evaluate import metrics
from vsvfi.commands.needs import need_model

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["FACTOR", "RATE", "Result", "demonstrate", "run"]

FACTOR = 4
RATE = 15
"""Source frames a second."""

CAPTION_TOLERANCE = 4.0
"""Root mean square, in code values, by which the caption may differ in its worst frame: half a pixel off is 29."""

CAPTION = (slice(24, 58), slice(28, 200))
"""Rows and columns of the caption, which does not move."""

type Image = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo measured; PSNRs in dB, one for each new frame within a scene, by output frame.

    ``speed`` is in output frames per second, source frames included.
    """

    model: str
    new: dict[int, float]
    blended: dict[int, float]
    sources_exact: bool
    cut_held: bool
    caption_error: float
    speed: float
    size: tuple[int, int]
    files: tuple[Path, ...]

    @property
    def psnr(self) -> float:
        """Mean PSNR of the model's new frames in dB."""
        return sum(self.new.values()) / len(self.new)

    @property
    def blended_psnr(self) -> float:
        """Mean PSNR of blended frames in dB."""
        return sum(self.blended.values()) / len(self.blended)


@dataclass(frozen=True, slots=True)
class Timing:
    """Which part of the scenes is used: source frames up to and after ``cut``, from ``start`` seconds on."""

    cut: int

    @property
    def sources(self) -> int:
        """Source frames."""
        return 2 * self.cut

    @property
    def outputs(self) -> int:
        """Output frames."""
        return self.sources * FACTOR

    def instant(self, n: int) -> float:
        """When output frame ``n`` is shown, in seconds of the scenes."""
        return float(drawing.CUT - Fraction(self.cut, RATE) + Fraction(n, RATE * FACTOR))

    def is_new(self, n: int) -> bool:
        """Whether output frame ``n`` lies between two source frames of one scene."""
        source, between = divmod(n, FACTOR)
        return between != 0 and source + 1 < self.sources and source + 1 != self.cut

    @property
    def held(self) -> range:
        """The output frames between the two source frames at the cut."""
        return range((self.cut - 1) * FACTOR + 1, self.cut * FACTOR)


@dataclass(frozen=True, slots=True)
class Clips:
    """The scenes as they went in, as they came out, and as they were drawn at every output instant."""

    source: Clip
    made: Clip
    true: Clip
    speed: float


def run(
    folder: Path, *, model: str = "flow", console: Console | None = None, seconds: float = drawing.DURATION
) -> Result:
    """Draw, interpolate, compare, and write ``demo.y4m``, ``sheet.png`` and, with ffmpeg, ``demo.mp4``.

    Args:
        folder: where to write; made when it is not there.
        model: the model of `vsvfi.Interpolate`.
        console: where progress goes; by default nowhere.
        seconds: how much of the scenes to use, counted from the cut half to either side.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    folder.mkdir(parents=True, exist_ok=True)
    timing = Timing(cut=max(2, round(seconds / 2 * RATE)))
    bars = (TextColumn("{task.description:<28}"), BarColumn(40), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*bars, TimeElapsedColumn(), console=console or Console(quiet=True)) as progress:
        truth = [drawing.draw(timing.instant(n)) for n in progress.track(range(timing.outputs), description="Drawing")]
        clips = _interpolated(truth, timing, model, progress)
        shown, seen = _pictures(clips.made), _pictures(clips.true)
        new, blended = {}, {}
        for n in progress.track(range(timing.outputs), description="Comparing"):
            if timing.is_new(n):
                new[n] = metrics.psnr(shown(n), seen(n))
                blended[n] = metrics.psnr(_blend(shown, n), seen(n))
        pictures = sheet.Pictures(
            made=shown, truth=seen, blended=lambda n: _blend(shown, n), psnr=new, blended_psnr=blended
        )
        files = tuple(
            write() for write in progress.track(_writers(folder, model, clips, pictures, timing), description="Writing")
        )
    originals = list(clips.source.frames())
    return Result(
        model=model,
        new=new,
        blended=blended,
        sources_exact=all(_same(clips.made.get_frame(n * FACTOR), frame) for n, frame in enumerate(originals)),
        cut_held=all(_same(clips.made.get_frame(n), originals[timing.cut - 1]) for n in timing.held),
        caption_error=max(metrics.interpolation_error(shown(n)[CAPTION], seen(n)[CAPTION]) for n in new),
        speed=clips.speed,
        size=(clips.source.width, clips.source.height),
        files=files,
    )


def _interpolated(truth: list[Image], timing: Timing, model: str, progress: Progress) -> Clips:
    """Every fourth true frame as YUV 4:2:0, like any video, and what the model makes of them."""
    import vapoursynth as vs

    def yuv(clip: Clip) -> Clip:
        return clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709, range=vs.RANGE_LIMITED)

    source = yuv(clip_of_images(lambda n: truth[n * FACTOR], length=timing.sources, fps=Fraction(RATE)))
    begin = time.perf_counter()
    interpolated = core.vsvfi.Interpolate(source, model=model, factor=FACTOR).frames()
    frames = list(progress.track(interpolated, timing.outputs, description=f"Interpolating with {model}"))
    speed = timing.outputs / (time.perf_counter() - begin)
    made = clip_of_frames(frames, core.std.AssumeFPS(source, fpsnum=RATE * FACTOR))
    # The last source frame of the first scene is held up to the cut: what is drawn there is never compared.
    true = yuv(clip_of_images(lambda n: truth[n], length=timing.outputs, fps=Fraction(RATE * FACTOR)))
    return Clips(source, made, true, speed)


def _writers(
    folder: Path, model: str, clips: Clips, pictures: sheet.Pictures, timing: Timing
) -> list[Callable[[], Path]]:
    """What writes each file, and returns its path."""

    def write_video() -> Path:
        path = folder / "demo.y4m"
        with path.open("wb") as file:
            clips.made.output(file, y4m=True)
        return path

    writers: list[Callable[[], Path]] = [
        lambda: sheet.write(folder / "sheet.png", model, pictures, rate=RATE, factor=FACTOR, cut=timing.cut),
        write_video,
    ]
    if ffmpeg.find() is not None:
        writers.append(lambda: _side_by_side(folder / "demo.mp4", clips.source, clips.made))
    return writers


def _pictures(clip: Clip) -> Callable[[int], Image]:
    import vapoursynth as vs

    rgb = clip.resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_BT709)
    return lambda n: image_of(rgb.get_frame(n))


def _blend(shown: Callable[[int], Image], n: int) -> Image:
    before, weight = n - n % FACTOR, (n % FACTOR) / FACTOR
    mixed = shown(before) * (1 - weight) + shown(before + FACTOR) * weight
    return np.rint(mixed).astype(np.uint8)


def _same(first: Frame, second: Frame) -> bool:
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True))


def _side_by_side(path: Path, source: Clip, made: Clip) -> Path:
    """The source as it was on the left, the result on the right, both at the result's rate."""
    repeated = core.std.Interleave([source] * FACTOR)
    labels = (f"source: {RATE} frames a second", f"vsvfi: {RATE * FACTOR} frames a second")
    sides = [core.text.Text(clip, label, alignment=1) for clip, label in zip((repeated, made), labels, strict=True)]
    both = core.std.StackHorizontal(sides)
    joined = path.with_name("demo-both.y4m")
    try:
        with joined.open("wb") as file:
            both.output(file, y4m=True)
        colour = [word for name in ("color_primaries", "color_trc", "colorspace") for word in (f"-{name}", "bt709")]
        encode = ["-c:v", "libx264", "-crf", "14", "-preset", "veryfast", *colour, "-movflags", "+faststart"]
        ffmpeg.run(["-y", "-i", str(joined), *encode, str(path)], f"cannot write {path.name}")
    finally:
        joined.unlink(missing_ok=True)
    return path


def demonstrate(folder: Path, model: str, console: Console) -> None:
    """Run the demo, and print what it measured and wrote."""
    from rich.table import Table

    need_model(model)
    result = run(folder, model=model, console=console)
    table = Table(title=f"{len(result.new)} new frames against the truth", title_justify="left")
    table.add_column("")
    for column in ("mean PSNR", "worst frame"):
        table.add_column(column, justify="right")
    for label, mean, values in (
        (f"vsvfi, model {result.model}", result.psnr, result.new),
        ("frame blending", result.blended_psnr, result.blended),
    ):
        table.add_row(label, f"{mean:.2f} dB", f"{min(values.values()):.2f} dB")
    console.print(table)
    width, height = result.size
    console.print(f"  {result.speed:.1f} output frames a second at {width}x{height}, factor {FACTOR}")
    for good, claim in (
        (result.sources_exact, "every source frame comes out bit for bit"),
        (result.cut_held, "at the cut the last frame of the scene is held: nothing is mixed"),
        (
            result.caption_error <= CAPTION_TOLERANCE,
            f"the caption stands still (it changes by {result.caption_error:.1f} of 255 in its worst frame)",
        ),
    ):
        console.print(f"[green]✓[/] {claim}" if good else f"[red]✗ not so: {claim}[/]")
    console.print("\nLook at:")
    for file in result.files:
        console.print(f"  {file}", soft_wrap=True, markup=False)
    if ffmpeg.find() is None:
        console.print("No mp4: ffmpeg was not found. pip install imageio-ffmpeg brings one.")
