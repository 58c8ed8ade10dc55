"""What ``vsvfi train`` does."""

from __future__ import annotations

import logging
import math
import os
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
    allow: bool,
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
    if os.environ.get("RANK", "0") != "0":  # of several processes, one talks
        console = Console(quiet=True)
    log.addHandler(RichHandler(console=console, show_path=False))
    result = train(
        model,
        settings,
        out,
        weights=weights,
        resume=resume,
        allow=allow,
        stop_minutes=math.inf if minutes is None else minutes,
        cache=cache,
    )
    measured = ", ".join(
        f"{name.removeprefix('validation/')} {value:.2f} dB"
        for name, value in result.validation.items()
        if name.startswith("validation/")
    )
    state = (
        "finished"
        if result.finished
        else f"stopped at step {result.step} of {settings.run.steps}; run it again to continue"
    )
    console.print(f"{state}{f' ({measured})' if measured else ''}")
    console.print(
        f"weights: {result.weights}\nuse them with: vsvfi weights add {model} {result.weights}",
        soft_wrap=True,
        markup=False,
    )
