"""`vsvfi eval`: a model on a benchmark, through the same filter that users run, next to the paper's figures.

Samples go through `core.vsvfi.Interpolate` as one clip with a scene cut between samples. Images are 8-bit RGB, in
and out, as the benchmarks' own figures are computed on rounded images; means are over frames.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands.evaluate.datasets import DATASETS, Dataset
from vsvfi.commands.evaluate.rows import Row
from vsvfi.commands.evaluate.work import measured
from vsvfi.commands.needs import need_model
from vsvfi.commands.workers.crew import Crew
from vsvfi.errors import VsvfiError
from vsvfi.models import registry

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["METRICS", "evaluate", "list_datasets", "means", "published", "read_rows"]


METRICS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "rmse": "interpolation error, root mean square",
    "mae": "interpolation error, mean absolute",
    "lpips": "LPIPS",
    "flolpips": "FloLPIPS",
}


LEARNED = ("lpips", "flolpips")
"""Those that need weights."""


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
    """The mean over frames of every metric that was measured.

    Frames that are reproduced exactly have no finite PSNR and are left out.
    """
    kept = list(rows)
    result = {}
    for name in METRICS:
        values = [value for value in (getattr(row, name) for row in kept) if not math.isnan(value)]
        finite = [value for value in values if math.isfinite(value)]
        if values or name not in LEARNED:
            result[name] = sum(finite) / len(finite) if finite else math.nan
    return result


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV that `evaluate` wrote."""
    with path.open(newline="") as file:
        return [
            Row(row["sample"], row["time"], *(float(row.get(name, math.nan)) for name in METRICS))
            for row in csv.DictReader(file)
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
    crew: Crew = Crew(),  # noqa: B008
    lpips: Sequence[Path] = (),
    console: Console,
) -> dict[str, float]:
    """Measure, write ``<dataset>-<model>.csv`` and ``.json`` in ``out``, and print the means next to the paper's.

    Args:
        dataset: a key of `vsvfi.commands.evaluate.datasets.DATASETS`.
        root: the folder the benchmark is in.
        options: arguments of `vsvfi.Interpolate`, among them ``model``.
        out: where to write; made when it is not there. The CSV grows by a line for every frame measured.
        limit: only the first so many samples.
        resume: keep what the CSV holds already, and measure the rest.
        crew: who does the work.
        lpips: weights for LPIPS and FloLPIPS, which are then measured, too: see `vsvfi.nets.perceptual.load_lpips`.
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
        rows = read_rows(table)
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
        for row in measured(todo, options, crew, lpips):
            rows.append(row)
            writer.writerow(asdict(row))
            file.flush()
            progress.update(task, advance=1, psnr=f"{means(rows)['psnr']:.2f} dB")
    # In the benchmark's order, not in the order in which workers finish: sums of floats depend on it.
    places = {sample.name: place for place, sample in enumerate(samples)}
    rows.sort(key=lambda row: places.get(row.sample, len(places)))
    result = means(rows)
    theirs = published(str(options["model"]), dataset)
    report |= {"frames": len(rows), "measured": result, "published": theirs}
    summary.write_text(json.dumps(report, indent=2) + "\n")
    _print(chosen, str(options["model"]), result, theirs, len(rows), console)
    console.print(f"Written: {table} and {summary}", soft_wrap=True, markup=False)
    return result


def _print(
    dataset: Dataset, model: str, ours: dict[str, float], theirs: dict[str, float], frames: int, console: Console
) -> None:
    from rich.table import Table

    table = Table(title=f"{model} on {dataset.title}, {frames} frames", title_justify="left")
    for column in ("metric", "measured", "published"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, label in METRICS.items():
        if name not in ours:
            continue
        digits = 4 if name in ("ssim", "lpips", "flolpips") else 2
        paper = f"{theirs[name]:.{digits}f}" if name in theirs else "–"
        table.add_row(label, f"{ours[name]:.{digits}f}", paper)
    console.print(table)
