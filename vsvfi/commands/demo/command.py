"""The demo: two short scenes whose true motion is known at every instant, interpolated and measured.

The scenes are drawn at 15 frames a second, go through VapourSynth as YUV 4:2:0 like any video, and come out at
60. Every new frame is compared with the scene drawn at its own instant, beside what blending the two source
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

__all__ = ["FACTOR", "RATE", "Result", "demonstrate", "run"]

FACTOR = 4
RATE = 15
"""Source frames a second."""

CAPTION_TOLERANCE = 4.0
"""Root mean square, in code values, by which the caption may differ in its worst frame: half a pixel off is 29."""

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


def _is_new(n: int, sources: int, cut: int) -> bool:
    """Whether output frame ``n`` lies between two source frames of one scene."""
    source, between = divmod(n, FACTOR)
    return between != 0 and source + 1 < sources and source + 1 != cut


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
    import vapoursynth as vs
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = console or Console(quiet=True)
    folder.mkdir(parents=True, exist_ok=True)
    cut = max(2, round(seconds / 2 * RATE))
    sources, start = 2 * cut, drawing.CUT - Fraction(cut, RATE)
    outputs = sources * FACTOR
    files: list[Path] = []
    bars = (TextColumn("{task.description:<28}"), BarColumn(40), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*bars, TimeElapsedColumn(), console=console) as progress:
        drawing_task = progress.add_task("Drawing the true frames", total=outputs)
        model_task = progress.add_task(f"Interpolating with {model}", total=outputs)
        compare_task = progress.add_task("Comparing", total=outputs)
        write_task = progress.add_task("Writing", total=3)

        truth: list[Image] = []
        for n in range(outputs):
            # The last source frame of the first scene is held up to the cut: what is drawn there is never compared.
            truth.append(drawing.draw(float(start + Fraction(n, RATE * FACTOR))))
            progress.advance(drawing_task)

        to_yuv: dict[str, Any] = {"format": vs.YUV420P8, "matrix": vs.MATRIX_BT709, "range": vs.RANGE_LIMITED}
        rgb = clip_of_images(lambda n: truth[n * FACTOR], length=sources, fps=Fraction(RATE))
        source = rgb.resize.Bicubic(**to_yuv)
        frames: list[Frame] = []
        begin = time.perf_counter()
        for frame in core.vsvfi.Interpolate(source, model=model, factor=FACTOR).frames():
            frames.append(frame)
            progress.advance(model_task)
        elapsed = time.perf_counter() - begin
        made = clip_of_frames(frames, core.std.AssumeFPS(source, fpsnum=RATE * FACTOR))

        new, blended = {}, {}
        shown = _pictures(made)
        true_clip = clip_of_images(lambda n: truth[n], length=outputs, fps=Fraction(RATE * FACTOR))
        seen = _pictures(true_clip.resize.Bicubic(**to_yuv))
        for n in range(outputs):
            if _is_new(n, sources, cut):
                new[n] = metrics.psnr(shown(n), seen(n))
                blended[n] = metrics.psnr(_blend(shown, n), seen(n))
            progress.advance(compare_task)

        originals = list(source.frames())
        exact = all(_same(frames[n * FACTOR], original) for n, original in enumerate(originals))
        held = all(_same(frames[n], originals[cut - 1]) for n in range((cut - 1) * FACTOR + 1, cut * FACTOR))
        caption = (slice(24, 58), slice(28, 200))
        moved = max(metrics.interpolation_error(shown(n)[caption], seen(n)[caption]) for n in new)

        pictures = sheet.Pictures(
            made=shown, truth=seen, blended=lambda n: _blend(shown, n), psnr=new, blended_psnr=blended
        )
        files.append(sheet.write(folder / "sheet.png", model, pictures, rate=RATE, factor=FACTOR, cut=cut))
        progress.advance(write_task)
        files.append(folder / "demo.y4m")
        with files[-1].open("wb") as file:
            made.output(file, y4m=True)
        progress.advance(write_task)
        if ffmpeg.find() is not None:
            files.append(_side_by_side(folder / "demo.mp4", source, made))
        progress.advance(write_task)
    return Result(
        model=model,
        new=new,
        blended=blended,
        sources_exact=exact,
        cut_held=held,
        caption_error=moved,
        speed=outputs / elapsed,
        size=(source.width, source.height),
        files=tuple(files),
    )


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
        console.print(f"  {file}", soft_wrap=True)
    if ffmpeg.find() is None:
        console.print("No mp4: ffmpeg was not found. pip install imageio-ffmpeg brings one.")
