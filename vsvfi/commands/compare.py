"""`vsvfi compare`: every second frame is held back, models make it again, and one page shows how they did."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.backends.flow import INFOS
from vsvfi.backends.flow.backend import FlowBackend
from vsvfi.commands.clips import Clip, core, image_of, open_video
from vsvfi.commands.evaluate import metrics
from vsvfi.commands.filter_options import value_of
from vsvfi.commands.needs import need_model
from vsvfi.compiled import flow as kernels
from vsvfi.engine.frames import read_color
from vsvfi.errors import VsvfiError
from vsvfi.models.info import Options, PlaneFrame
from vsvfi.models.registry import find

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["candidate", "compare", "flow_colours", "frame_range", "occlusion"]

type Image = NDArray[np.uint8]

BLEND = "frame blending"
"""The baseline that models are compared with."""


def frame_range(text: str) -> tuple[int, int]:
    """First and last frame of ``"100-110"``.

    Raises:
        VsvfiError: the text is not of this form, or has fewer than three frames.
    """
    found = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text)
    if not found:
        raise VsvfiError(f"--frames must be first and last frame, as in 100-110, got {text!r}")
    first, last = int(found[1]), int(found[2])
    if last < first + 2:
        raise VsvfiError(f"--frames needs at least three frames, so that one can be held back, got {text!r}")
    return first, last


def flow_colours(flow: NDArray[np.float32], reach: float) -> Image:
    """A flow ``(H, W, 2)`` in pixels as colours ``(H, W, 3)``: hue is the direction, ``reach`` pixels are vivid."""
    angle = np.arctan2(flow[..., 1], flow[..., 0])
    strength = np.clip(np.hypot(flow[..., 0], flow[..., 1]) / max(reach, 1e-6), 0, 1)
    thirds = angle[..., None] - np.array([0.0, 2 * math.pi / 3, 4 * math.pi / 3])
    hue = np.clip(0.5 + np.cos(thirds), 0, 1)
    colours: NDArray[Any] = 1 - strength[..., None] * (1 - hue)
    result: Image = np.rint(255 * colours).astype(np.uint8)
    return result


def occlusion(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` of the first frame that have no counterpart in the second.

    The check of Sundaram et al. (ECCV 2010): |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5, ``b`` taken where ``f`` leads.
    """
    height, width = forward.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    to_x, to_y = np.rint(x + forward[..., 0]).astype(int), np.rint(y + forward[..., 1]).astype(int)
    outside = (to_x < 0) | (to_x >= width) | (to_y < 0) | (to_y >= height)
    back = backward[np.clip(to_y, 0, height - 1), np.clip(to_x, 0, width - 1)]
    apart = ((forward + back) ** 2).sum(-1)
    lengths = (forward**2).sum(-1) + (back**2).sum(-1)
    result: NDArray[np.bool_] = outside | (apart > 0.01 * lengths + 0.5)
    return result


def _planes(image: Image) -> PlaneFrame:
    planes = tuple(np.ascontiguousarray(image[..., channel]) for channel in range(3))
    return PlaneFrame(planes, "RGB", 8, (0, 0), full_range=True)


def _motion(first: Image, second: Image) -> tuple[Image, Image, float]:
    """The motion between two frames in colours, what is hidden in the second, and the length that is shown vivid."""
    estimator = FlowBackend(INFOS[0], Options())
    one, two = (estimator.encode(_planes(image)) for image in (first, second))
    forward, backward = (
        _full_size(kernels.search(source, target, estimator.search), estimator.search.cell, first.shape[:2])
        for source, target in ((one, two), (two, one))
    )
    reach = max(1.0, float(np.percentile(np.hypot(forward[..., 0], forward[..., 1]), 99)))
    hidden = np.where(occlusion(forward, backward)[..., None], np.uint8(255), first // 3)
    return flow_colours(forward, reach), hidden.astype(np.uint8), reach


def _full_size(flow: kernels.Flow, cell: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """A flow of one vector for each ``cell`` x ``cell`` pixels as one for each pixel, ``(H, W, 2)``."""
    vectors = np.stack(flow, -1).repeat(cell, 0).repeat(cell, 1)
    return vectors[: size[0], : size[1]]


_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float64)
"""Five colours of the map "inferno" of matplotlib (public domain), at equal distances."""


def _difference(image: Image, truth: Image) -> Image:
    """The absolute difference, 4 times as large, from black through red to yellow."""
    error = np.minimum(np.abs(image.astype(np.int16) - truth).mean(-1) * 4 / 255, 1)
    steps = np.linspace(0, 1, len(_HEAT))
    table = np.stack([np.interp(np.arange(256) / 255, steps, _HEAT[:, channel]) for channel in range(3)], -1)
    colours: Image = np.rint(table).astype(np.uint8)[np.rint(error * 255).astype(int)]
    return colours


def _data(image: Image, quality: int = 92) -> str:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True, slots=True)
class _Made:
    """A held-back frame as each model made it."""

    number: int
    before: Image
    after: Image
    truth: Image
    models: Mapping[str, Image]


def _scores(image: Image, truth: Image) -> dict[str, float | None]:
    psnr = metrics.psnr(image, truth)
    return {
        "psnr": psnr if math.isfinite(psnr) else None,
        "ssim": metrics.ssim(image, truth),
        "rmse": metrics.interpolation_error(image, truth),
        "mae": metrics.mean_absolute_error(image, truth),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None


def _rgb(clip: Clip) -> Clip:
    import vapoursynth as vs

    if clip.format.color_family == vs.RGB:
        return clip.resize.Bicubic(format=vs.RGB24)
    family = "GRAY" if clip.format.color_family == vs.GRAY else "YUV"
    with clip.get_frame(0) as frame:
        color = read_color(frame.props, family, clip.width, clip.height)
    return clip.resize.Bicubic(format=vs.RGB24, matrix_in=color.matrix)


def compare(
    source: Path,
    models: Sequence[str],
    frames: tuple[int, int] | None,
    out: Path,
    options: Mapping[str, Any] | None = None,
    *,
    console: Console,
) -> None:
    """Write the page.

    Args:
        source: the video.
        models: what to compare (`candidate`); frame blending is shown next to them.
        frames: first and last source frame, inclusive; every second one is held back. By default 21 in the middle.
        out: the HTML file.
        options: arguments of `vsvfi.Interpolate` for all of them.
        console: where progress goes.
    """
    from rich.progress import track

    if not models:
        raise VsvfiError("name at least one model: --models flow")
    candidates = {text: candidate(text, options or {}) for text in models}
    for arguments in candidates.values():
        name = arguments["model"]
        if find(name).spatial_scale != 1:
            raise VsvfiError(f"model {name!r} enlarges frames: there is no truth to compare them with")
        need_model(name, weights="weights" not in arguments)
    clip = open_video(source)
    first, last = frames or (max(0, len(clip) // 2 - 10), min(len(clip) - 1, len(clip) // 2 + 10))
    if last >= len(clip):
        raise VsvfiError(f"--frames goes to {last}, but {source.name} has {len(clip)} frames, 0 to {len(clip) - 1}")
    # Every second frame is dropped, so that a new frame half-way replaces one that is known; the cuts stay known.
    kept = core.vsvfi.DetectScenes(clip[first : last + 1 : 2])
    made = {text: _rgb(core.vsvfi.Interpolate(kept, factor=2, **arguments)) for text, arguments in candidates.items()}
    original = _rgb(clip[first : last + 1])
    pages, scores = [], []
    held_back = range(1, last - first, 2)
    for offset in track(held_back, "Comparing", console=console):
        before, truth, after = (image_of(original.get_frame(offset + step)) for step in (-1, 0, 1))
        images = {name: image_of(node.get_frame(offset)) for name, node in made.items()}
        images[BLEND] = ((before.astype(np.uint16) + after + 1) // 2).astype(np.uint8)
        shown, score = _prepared(_Made(first + offset, before, after, truth, images))
        pages.append(shown)
        scores.append(score)
    out.write_text(_page(source.name, [*models, BLEND], pages, scores, original.width))
    size = out.stat().st_size / 2**20
    console.print(
        f"Written: {out} ({len(pages)} frames, {size:.1f} MiB); open it in a browser", soft_wrap=True, markup=False
    )


def candidate(text: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `vsvfi.Interpolate` from ``"model"``, ``"model:best"`` or ``"model:weights=a:scale=0.5"``.

    Args:
        text: a model's name, and after colons a quality or other arguments.
        options: arguments where ``text`` says nothing; a model that knows the CPU only is not asked for another device.

    Raises:
        VsvfiError: an argument is unknown, or its value is none of its kind.
    """
    name, *settings = text.split(":")
    arguments = {**options, "model": name}
    if find(name).planes:
        arguments.pop("device", None)
    for setting in settings:
        key, given, value = setting.partition("=")
        if given:
            arguments[key.replace("-", "_")] = value_of(key.replace("-", "_"), value)
        else:
            arguments["quality"] = key
    return arguments


def _prepared(made: _Made) -> tuple[dict[str, str], dict[str, Any]]:
    flow, hidden, reach = _motion(made.before, made.after)
    # A model may be called "flow" or "truth": what is no model's picture begins with "@".
    pictures = {
        "@before": _data(made.before),
        "@after": _data(made.after),
        "@truth": _data(made.truth),
        "@flow": _data(flow, 80),
        "@occlusion": _data(hidden, 80),
    }
    for name, image in made.models.items():
        pictures[name] = _data(image)
        pictures[f"@difference {name}"] = _data(_difference(image, made.truth), 80)
    scores = {name: _scores(image, made.truth) for name, image in made.models.items()}
    return pictures, {"number": made.number, "reach": reach, "metrics": scores}


def _page(
    title: str, models: Sequence[str], frames: Sequence[Mapping[str, str]], scores: list[dict[str, Any]], width: int
) -> str:
    from importlib.resources import files

    import jinja2

    keys = ("psnr", "ssim", "rmse", "mae")
    means = {name: {key: _mean([score["metrics"][name][key] for score in scores]) for key in keys} for name in models}
    page = {"models": models, "pictures": ["@truth", *models, "@before", "@after"], "frames": scores, "means": means}
    template = (files("vsvfi.commands") / "compare.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(
        title=title,
        subtitle=f"frames {scores[0]['number']} to {scores[-1]['number']}",
        width=width,
        count=len(scores),
        page=_embedded(page),
        frames=[_embedded(frame) for frame in frames],
    )


def _embedded(value: Any) -> Any:
    from markupsafe import Markup

    # A script element ends at the first "</script": no "<" may be in it.
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))
