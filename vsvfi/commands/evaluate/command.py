"""`vsvfi eval`: a model on a benchmark, through the very filter that users run, beside what its paper says.

Samples go through `core.vsvfi.Interpolate` as one clip with a scene cut between samples. Images are 8-bit RGB, in
and out, as the benchmarks' own figures are computed on rounded images; means are over frames.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsvfi.commands.clips import clip_of_images, core, image_of
from vsvfi.commands.evaluate import metrics
from vsvfi.commands.evaluate.datasets import DATASETS, Dataset, Sample, load_image, load_mask
from vsvfi.commands.needs import need_model
from vsvfi.errors import VsvfiError
from vsvfi.models import registry

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Row", "evaluate", "list_datasets", "means", "measure", "published"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured on one frame; ``psnr`` in dB, errors in code values of 8 bit."""

    sample: str
    time: str
    psnr: float
    ssim: float
    rmse: float
    mae: float


METRICS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "rmse": "interpolation error, root mean square",
    "mae": "interpolation error, mean absolute",
}


def list_datasets(console: Console) -> None:
    """Print the benchmarks and the folder layouts they are read from."""
    console.print("vsvfi eval DATASET FOLDER --model MODEL, where DATASET is one of:\n")
    for dataset in DATASETS.values():
        console.print(f"[bold]{dataset.name}[/]  {dataset.title} ({dataset.paper})", highlight=False)
        console.print(f"    {dataset.layout}", style="dim", highlight=False)


def published(model: str, dataset: str) -> dict[str, float]:
    """The figures printed for a model on a benchmark, by metric; empty where none are known."""
    table: dict[str, Any] = json.loads((files("vsvfi.commands.evaluate") / "published.json").read_text())
    return dict(table.get(model, {}).get(dataset, {})) if model != "comment" else {}


def means(rows: Iterable[Row]) -> dict[str, float]:
    """The mean of every metric over frames; frames that are reproduced exactly have no finite PSNR and are left out."""
    kept = list(rows)
    result = {}
    for name in METRICS:
        finite = [value for value in (getattr(row, name) for row in kept) if math.isfinite(value)]
        result[name] = sum(finite) / len(finite) if finite else math.nan
    return result


def _scored(image: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_] | None) -> tuple[float, ...]:
    if mask is None:
        inside = (image, truth)
        similarity = metrics.ssim(image, truth)
    else:
        # DVF's protocol: what lies outside the mask is taken from the truth, and only pixels inside are averaged.
        inside = (image[mask], truth[mask])
        similarity = metrics.ssim(np.where(mask[..., None], image, truth), truth)
    return (
        metrics.psnr(*inside),
        similarity,
        metrics.interpolation_error(*inside),
        metrics.mean_absolute_error(*inside),
    )


def _denominator(sample: Sample) -> int:
    return math.lcm(*(time.denominator for time, _ in sample.targets))


def _batches(samples: Sequence[Sample]) -> Iterator[tuple[int, list[Sample]]]:
    """Runs of samples that fit one clip: one size, one number of source frames for each, one factor."""

    def key(sample: Sample) -> tuple[tuple[int, int], int, int]:
        with Image.open(sample.inputs[0]) as image:
            size = image.size
        return size, len(sample.inputs), _denominator(sample)

    for (_, _, factor), run in itertools.groupby(samples, key):
        yield factor, list(run)


def measure(samples: Sequence[Sample], options: Mapping[str, Any]) -> Iterator[Row]:
    """Interpolate samples with ``options`` of `vsvfi.Interpolate`, and measure every target."""
    for factor, batch in _batches(samples):
        count = len(batch[0].inputs)
        paths = [(path, sample.transform) for sample in batch for path in sample.inputs]
        source = clip_of_images(
            lambda n, paths=paths: load_image(*paths[n]),  # type: ignore[misc]
            length=len(paths),
            fps=Fraction(24),
            scene_starts=frozenset(range(0, len(paths), count)),
        )
        result = core.vsvfi.Interpolate(source, factor=factor, **options)
        for number, sample in enumerate(batch):
            mask = load_mask(sample.mask) if sample.mask is not None else None
            for time, path in sample.targets:
                with result.get_frame(int((number * count + time) * factor)) as frame:
                    image = image_of(frame)
                truth = load_image(path, sample.transform)
                yield Row(sample.name, str(time), *_scored(image, truth, mask))


def _read(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return [
            Row(row["sample"], row["time"], *(float(row[name]) for name in METRICS)) for row in csv.DictReader(file)
        ]


def _chosen(dataset: str) -> Dataset:
    if dataset not in DATASETS:
        raise VsvfiError(f"unknown dataset {dataset!r}; known are {', '.join(DATASETS)}")
    return DATASETS[dataset]


def evaluate(
    dataset: str,
    root: Path,
    options: Mapping[str, Any],
    *,
    out: Path,
    limit: int | None = None,
    resume: bool = False,
    console: Console,
) -> dict[str, float]:
    """Measure, write ``<dataset>-<model>.csv`` and ``.json`` in ``out``, and print the means beside the paper's.

    Args:
        dataset: a key of `vsvfi.commands.evaluate.datasets.DATASETS`.
        root: the folder the benchmark is in.
        options: arguments of `vsvfi.Interpolate`, among them ``model``.
        out: where to write; made when it is not there. The CSV grows by a line for every frame measured.
        limit: only the first so many samples.
        resume: keep what the CSV holds already, and measure the rest.
        console: where progress and the table go.

    Returns:
        the mean of every metric.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    chosen = _chosen(dataset)
    scale = registry.find(str(options["model"])).spatial_scale
    if scale != 1:
        raise VsvfiError(f"model {options['model']!r} enlarges frames {scale} times: the benchmarks have no such truth")
    need_model(str(options["model"]), weights="weights" not in options)
    samples = chosen.samples(root)[:limit]
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{dataset}-{options['model']}"
    table, summary = out / f"{stem}.csv", out / f"{stem}.json"
    rows: list[Row] = []
    if resume and table.is_file() and summary.is_file():
        if json.loads(summary.read_text())["options"] != dict(options):
            raise VsvfiError(f"{table} was measured with other settings: leave out --resume, or choose another --out")
        rows = _read(table)
    report: dict[str, Any] = {"dataset": dataset, "options": dict(options), "samples": len(samples)}
    summary.write_text(json.dumps(report, indent=2) + "\n")
    done = {(row.sample, row.time) for row in rows}
    todo = [sample for sample in samples if any((sample.name, str(time)) not in done for time, _ in sample.targets)]
    again = {sample.name for sample in todo}
    rows = [row for row in rows if row.sample not in again]
    total = sum(len(sample.targets) for sample in todo)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        table.open("w", newline="") as file,
        Progress(*columns, TextColumn("{task.fields[psnr]}"), console=console) as progress,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
        task = progress.add_task(f"{options['model']} on {chosen.title}", total=total, psnr="")
        for row in measure(todo, options):
            rows.append(row)
            writer.writerow(asdict(row))
            file.flush()
            progress.update(task, advance=1, psnr=f"{means(rows)['psnr']:.2f} dB")
    result = means(rows)
    theirs = published(str(options["model"]), dataset)
    report |= {"frames": len(rows), "measured": result, "published": theirs}
    summary.write_text(json.dumps(report, indent=2) + "\n")
    _print(chosen, str(options["model"]), result, theirs, len(rows), console)
    console.print(f"Written: {table} and {summary}", soft_wrap=True)
    return result


def _print(
    dataset: Dataset, model: str, ours: dict[str, float], theirs: dict[str, float], frames: int, console: Console
) -> None:
    from rich.table import Table

    table = Table(title=f"{model} on {dataset.title}, {frames} frames", title_justify="left")
    for column in ("metric", "measured", "published"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, label in METRICS.items():
        digits = 4 if name == "ssim" else 2
        paper = f"{theirs[name]:.{digits}f}" if name in theirs else "–"
        table.add_row(label, f"{ours[name]:.{digits}f}", paper)
    console.print(table)
