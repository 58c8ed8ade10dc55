"""How renders gain from workers: speed-up on this machine, what planning, shipping and joining cost, and a simulation.

    python benchmarks/scaling.py measure FILM [--seconds 10] [--models flow jnmr] [--out FILE.json]
    python benchmarks/scaling.py simulate FILE.json [--hours 2]

``measure`` renders a part of a film losslessly with one worker and with two, each with its share of the cores, and
records the time of every segment. ``simulate`` repeats the recorded segments until the film is as long as asked for,
and lets 1 ... 1,000 workers take them, longest first, from a driver that cuts parts out and joins the result at the
speeds that were measured.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console

from vsvfi.commands.clips import core
from vsvfi.commands.render import command, cuts, ship, work
from vsvfi.commands.render.job import Encoding, Job, Rate
from vsvfi.commands.render.join import join
from vsvfi.commands.render.plan import makespan
from vsvfi.commands.render.script import opening_of
from vsvfi.commands.render.source import inspect, part_of
from vsvfi.commands.workers.crew import Crew
from vsvfi.commands.workers.pool import Answer, Tell
from vsvfi.commands.workers.processes import Processes

WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Timed(Processes):
    """Local processes that note how long each item took."""

    def __init__(self, count: int, threads: int) -> None:
        super().__init__(count)
        self.threads = threads
        self.seconds: dict[str, float] = {}

    def submit(self, work: Callable[[Any, Tell], Any], item: Any, name: str, avoid: frozenset[str]) -> Future[Answer]:
        """Send an item out, and note when its answer comes."""
        begun = time.monotonic()
        future = super().submit(work, item, name, avoid)
        future.add_done_callback(lambda _: self.seconds.__setitem__(name, time.monotonic() - begun))
        return future


def rendered(job: Job, workers: int, segment: float) -> dict[str, Any]:
    """Render with so many processes that share the cores, and what it took, in seconds."""
    pools: list[Timed] = []

    def pool_of(*_: Any, **__: Any) -> Timed:
        pools.append(Timed(workers, max(1, (os.cpu_count() or 1) // workers)))
        return pools[0]

    marks: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begun = time.monotonic()
            try:
                return function(*arguments, **named)
            finally:
                marks[name] = time.monotonic() - begun

        return call

    begun = time.monotonic()
    with (
        patch.object(command, "pool_of", pool_of),
        patch.object(command, "join", timed("joining", join)),
        patch.object(work, "plan_at_once", timed("planning", work.plan_at_once)),
        tempfile.TemporaryDirectory() as folder,
    ):
        encoding = Encoding(encoder="ffv1", segment_seconds=segment)
        command.render(job, Path(folder) / "out.mkv", encoding, Crew(), console=Console(file=StringIO()))
        size = (Path(folder) / "out.mkv").stat().st_size
    whole = time.monotonic() - begun
    segments = {name: seconds for name, seconds in pools[0].seconds.items() if name.startswith("frames ")}
    return {"workers": workers, "seconds": whole, "bytes": size, **marks, "segments": segments}


def shipping(job: Job) -> dict[str, float]:
    """What it costs to send every part of the source, in seconds and bytes."""
    source = part_of(inspect(job.source), job.start, job.end)
    begun = time.monotonic()
    clip = cuts.marked(opening_of(job, source), None)
    ship.examine(clip)
    examined = time.monotonic()
    total = 0
    step = round(source.rate * 10)
    for first in range(0, len(source.begins), step):
        low, high = max(0, first - ship.REACH), min(len(source.begins), first + step + ship.REACH)
        total += len(ship.packets_part(job.source, source.begins, source.offset + source.skipped, low, high))
    return {
        "examining": examined - begun,
        "cutting": time.monotonic() - examined,
        "bytes": total,
        "source_bytes": job.source.stat().st_size,
    }


def measure(film: Path, seconds: float, models: list[str], segment: float) -> dict[str, Any]:
    """All measurements on a film's first seconds."""
    results: dict[str, Any] = {"film": film.name, "seconds": seconds, "segment": segment, "cores": os.cpu_count()}
    for model in models:
        given: dict[str, Any] = {"model": model, "device": "cpu"} if model != "flow" else {"model": model}
        job = Job(source=film, rate=Rate(Fraction(2)), end=f"0:{seconds}", filter=given)
        runs = [rendered(job, workers, segment) for workers in (1, 2)]
        results[model] = {"runs": runs, "shipping": shipping(job)}
        print(f"{model}: {runs[0]['seconds']:.1f} s with one worker, {runs[1]['seconds']:.1f} s with two")
    return results


def simulate(recorded: dict[str, Any], model: str, hours: float, megabytes: float) -> None:
    """Print how long so many workers need for a film of such segments, and what keeps them waiting."""
    run = recorded[model]["runs"][0]
    times = list(run["segments"].values())
    repeats = max(1, round(hours * 3600 / recorded["seconds"]))
    costs = sorted(times * repeats, reverse=True)
    # One driver cuts the parts out one after another, and sends them over one line.
    sent = recorded[model]["shipping"]
    per_segment = sent["cutting"] / len(times) + sent["bytes"] / len(times) / (megabytes * 1e6)
    joining = run["joining"] * repeats
    alone = sum(costs)
    print(f"{model}: {len(costs)} segments, {alone / 3600:.1f} hours for one worker, longest {costs[0]:.1f} s")
    for workers in WORKERS:
        rendering = makespan(costs, workers)
        planning = run["planning"] * repeats / workers
        feeding = per_segment * len(costs)
        shared = planning + rendering + joining
        shipped = sent["examining"] * repeats + max(rendering, feeding) + joining
        print(f"| {workers} | {shared / 60:.1f} | {alone / shared:.1f} | {shipped / 60:.1f} | {alone / shipped:.1f} |")


def main() -> None:
    """Measure or simulate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("film", type=Path)
    measuring.add_argument("--seconds", type=float, default=10)
    measuring.add_argument("--segment", type=float, default=1)
    measuring.add_argument("--models", nargs="+", default=["flow", "jnmr"])
    measuring.add_argument("--out", type=Path)
    simulating = commands.add_parser("simulate")
    simulating.add_argument("recorded", type=Path)
    simulating.add_argument("--hours", type=float, default=2)
    simulating.add_argument("--megabytes", type=float, default=110, help="a second from the driver (1 Gbit/s: 110)")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        results = measure(arguments.film, arguments.seconds, arguments.models, arguments.segment)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")
        return
    recorded = json.loads(arguments.recorded.read_text())
    for model in (name for name, value in recorded.items() if isinstance(value, dict)):
        simulate(recorded, model, arguments.hours, arguments.megabytes)


if __name__ == "__main__":
    print(f"VapourSynth {core.core_version}, {os.cpu_count()} cores")
    main()
