"""`vsvfi eval --models a,b,c`: several models on one benchmark, as a table and a page with the worst frames."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands.evaluate.command import METRICS, evaluate, read_rows
from vsvfi.commands.evaluate.datasets import DATASETS, load_image
from vsvfi.commands.evaluate.rows import Row, made
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console

    from vsvfi.commands.evaluate.samples import Sample

__all__ = ["compare_models", "markdown", "worst"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame on the page: its truth and what each model made of it, as PNG in base64, with PSNR in dB."""

    title: str
    pictures: tuple[tuple[str, str], ...]


def compare_models(
    dataset: str,
    root: Path,
    models: Sequence[str],
    options: Mapping[str, Any],
    *,
    out: Path,
    console: Console,
    worst_frames: int = 5,
    **settings: Any,
) -> dict[str, dict[str, float]]:
    """Measure one model after the other; write ``<dataset>.md``, ``.json`` and ``.html`` in ``out``.

    Args:
        dataset: a key of `vsvfi.commands.evaluate.datasets.DATASETS`.
        root: the folder the benchmark is in.
        models: their names.
        options: arguments of `vsvfi.Interpolate` for all of them.
        out: where to write.
        console: where progress and tables go.
        worst_frames: how many frames the page shows: those whose mean PSNR over the models is lowest.
        settings: ``limit``, ``resume``, ``crew`` and ``lpips`` of `evaluate`.

    Returns:
        the means of every metric by model.
    """
    if len(set(models)) < len(models):
        raise VsvfiError(f"models must be different ones, got {', '.join(models)}")
    found = {
        model: evaluate(dataset, root, {**options, "model": model}, out=out, console=console, **settings)
        for model in models
    }
    rows = {model: read_rows(out / f"{dataset}-{model}.csv") for model in models}
    (out / f"{dataset}.json").write_text(json.dumps(found, indent=2) + "\n")
    (out / f"{dataset}.md").write_text(markdown(DATASETS[dataset].title, found))
    samples = {sample.name: sample for sample in DATASETS[dataset].samples(root)[: settings.get("limit")]}
    shown = [
        _shown(samples[name], time, {model: {**options, "model": model} for model in models})
        for name, time in worst(rows, worst_frames)
    ]
    page = out / f"{dataset}.html"
    page.write_text(_page(DATASETS[dataset].title, found, shown))
    console.print(f"Written: {page}, {page.with_suffix('.md')} and {page.with_suffix('.json')}", soft_wrap=True)
    return found


def worst(rows: Mapping[str, Sequence[Row]], count: int) -> list[tuple[str, str]]:
    """Sample and time of the frames whose mean PSNR over the models is lowest, the lowest first."""
    figures: dict[tuple[str, str], list[float]] = {}
    for listed in rows.values():
        for row in listed:
            figures.setdefault((row.sample, row.time), []).append(min(row.psnr, 100.0))
    return sorted(figures, key=lambda frame: sum(figures[frame]) / len(figures[frame]))[:count]


def _cells(means: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{means.get(name, float('nan')):.{4 if name in ('ssim', 'lpips', 'flolpips') else 2}f}" for name in names]


def _measured(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [name for name in METRICS if any(name in means for means in found.values())]


def markdown(title: str, found: Mapping[str, Mapping[str, float]]) -> str:
    """The means as a table."""
    names = _measured(found)
    lines = [
        f"# {title}",
        "",
        f"| model | {' | '.join(METRICS[name] for name in names)} |",
        f"|---|{'---:|' * len(names)}",
        *(f"| {model} | {' | '.join(_cells(means, names))} |" for model, means in found.items()),
    ]
    return "\n".join(lines) + "\n"


def _shown(sample: Sample, time: str, options: Mapping[str, Mapping[str, Any]]) -> Shown:
    target = next(path for when, path in sample.targets if str(when) == time)
    pictures = [("truth", load_image(target, sample.transform))]
    pictures += [(model, made(sample, given)[time]) for model, given in options.items()]
    return Shown(f"{sample.name}, time {time}", tuple((name, _png(picture)) for name, picture in pictures))


def _png(picture: NDArray[Any]) -> str:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _page(title: str, found: Mapping[str, Mapping[str, float]], shown: Sequence[Shown]) -> str:
    from jinja2 import Environment

    names = _measured(found)
    template = (files("vsvfi.commands.evaluate") / "report.html.j2").read_text()
    table = [(model, _cells(means, names)) for model, means in found.items()]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(title=title, headings=[METRICS[name] for name in names], table=table, shown=shown)
    )
