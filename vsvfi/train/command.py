"""What ``vsvfi train`` does."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

from vsvfi.train.config import load_config
from vsvfi.train.trainer import train

__all__ = ["run"]


def run(
    model: str,
    config: Path,
    out: Path,
    *,
    weights: Sequence[str],
    resume: Path | None,
    minutes: float | None,
    cache: Path | None,
    console: Console,
) -> None:
    """Train ``model`` as ``config`` says into the folder ``out``; continue where an earlier run there stopped.

    Raises:
        VsvfiError: the configuration, the footage or a checkpoint is at fault.
    """
    settings = load_config(config)
    log = logging.getLogger("vsvfi.train")
    log.setLevel(logging.INFO)
    log.addHandler(RichHandler(console=console, show_path=False))
    result = train(
        model,
        settings,
        out,
        weights=weights,
        resume=resume,
        stop_minutes=math.inf if minutes is None else minutes,
        cache=cache,
    )
    measured = ", ".join(
        f"{name.removeprefix('validation/')} {value:.2f} dB" for name, value in result.validation.items()
    )
    state = (
        "finished"
        if result.finished
        else f"stopped at step {result.step} of {settings.run.steps}; run it again to go on"
    )
    console.print(f"{state}{f' ({measured})' if measured else ''}")
    console.print(f"weights: {result.weights}\nuse them with: vsvfi weights add {model} {result.weights}")
