"""`vsvfi weights`: what is there, what is known, and adding published files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi import weights
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_weights", "list_weights"]


def list_weights(console: Console) -> None:
    """Print every known checkpoint: whether it is there, where it is published, under which licence."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("model", "weights", "there"):
        table.add_column(column, no_wrap=True, header_style="dim")
    table.add_column("licence", no_wrap=True, overflow="ellipsis", max_width=24, header_style="dim")
    table.add_column("published", overflow="fold", header_style="dim")
    for info in weights.networks().values():
        have = {(entry.name, entry.part) for entry in weights.stored(info.name)}
        if weights.bundled(info) is not None:
            table.add_row(info.name, "bundled", "[green]ships with vsvfi[/]", info.weights_license, "")
        for checkpoint in info.checkpoints:
            there = "[green]yes[/]" if any(name == checkpoint.name for name, _ in have) else "no"
            published = f"{checkpoint.file} at {checkpoint.url}"
            table.add_row(info.name, checkpoint.name, there, checkpoint.license, published)
        known = {checkpoint.name for checkpoint in info.checkpoints}
        for name, part in sorted(have):
            if name not in known:
                label = f"{name} ({part})" if part else name
                table.add_row(info.name, label, "[green]yes[/]", info.weights_license, "added from a file of yours")
    console.print(table)
    console.print(f"Added weights are kept in {weights.data_dir() / 'weights'}", soft_wrap=True)


def add_weights(model_or_file: str, files: Sequence[Path], name: str | None, console: Console) -> None:
    """Add checkpoints: ``[MODEL] FILE...``, where the first word is a model unless it is a file.

    Raises:
        VsvfiError: no file was given.
        WeightsError: a file does not fit.
    """
    first = Path(model_or_file)
    model = None if first.is_file() or first.suffix else model_or_file
    paths = [first, *files] if model is None else list(files)
    if not paths:
        raise VsvfiError(f"which file? vsvfi weights add {model_or_file} FILE")
    for path in paths:
        added = weights.add(path, model, name)
        part = f", part {added.part}" if added.part else ""
        console.print(f"[green]✓[/] {path.name} is {added.model}{part}; kept as {added.name!r}", soft_wrap=True)
