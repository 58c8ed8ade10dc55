"""A benchmark's samples, measured here or by several workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands.evaluate.rows import Row, measure
from vsvfi.commands.evaluate.samples import Sample
from vsvfi.commands.versions import versions
from vsvfi.commands.workers.crew import Crew, pool_of
from vsvfi.commands.workers.demands import Demands
from vsvfi.commands.workers.pool import Inline, Tell, run

if TYPE_CHECKING:
    from vsvfi.commands.evaluate.perceptual import Perceptual

__all__ = ["measured"]

BATCH = 16
"""Samples that a worker takes at once: the model is loaded for each batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples to measure, with the arguments of `vsvfi.Interpolate`, and what a machine must have for that."""

    samples: tuple[Sample, ...]
    options: Mapping[str, Any]
    demands: Demands
    threads: int | None
    lpips: tuple[Path, ...] = ()


def _perceptual(files: Sequence[Path]) -> Perceptual | None:
    if not files:
        return None
    from vsvfi.commands.evaluate.perceptual import Perceptual

    return Perceptual(files)


def measure_batch(batch: Batch, tell: Tell) -> list[dict[str, Any]]:
    """The rows of a batch, as a machine of a cluster can send them.

    Raises:
        NodeRefusedError: this machine could measure something else than the others.
    """
    from vsvfi.commands.clips import core

    batch.demands.check()
    if batch.threads is not None:
        core.num_threads = batch.threads
    rows = []
    for row in measure(batch.samples, batch.options, _perceptual(batch.lpips)):
        rows.append(asdict(row))
        tell(len(rows))
    return rows


def measured(
    samples: Sequence[Sample], options: Mapping[str, Any], crew: Crew, lpips: Sequence[Path] = ()
) -> Iterator[Row]:
    """Measure samples; with several workers in the order in which they are done. ``lpips`` are weights for LPIPS.

    Raises:
        VsvfiError: there can be no such workers, or some sample failed everywhere.
    """
    crew.check()
    model, weights = str(options["model"]), tuple(options.get("weights") or ())
    pool = pool_of(crew, model=model, device=str(options.get("device", "auto")), tell=lambda *_: None)
    if isinstance(pool, Inline):
        yield from measure(samples, options, _perceptual(lpips))
        return
    demands = Demands(model=model, weights=weights, versions=versions(model, weights))

    def pack(first: int) -> Batch:
        chosen = tuple(samples[first : first + BATCH])
        return Batch(samples=chosen, options=dict(options), demands=demands, threads=pool.threads, lpips=tuple(lpips))

    def name(first: int) -> str:
        return f"samples {first}-{min(first + BATCH, len(samples)) - 1}"

    try:
        for _, rows in run(pool, measure_batch, range(0, len(samples), BATCH), pack=pack, name=name):
            yield from (Row(**row) for row in rows)
    finally:
        pool.close()
