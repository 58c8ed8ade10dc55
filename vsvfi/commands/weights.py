"""`vsvfi weights`: what is there, what is known, and adding published files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.errors import VsvfiError
from vsvfi.models import weights

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_weights", "list_weights"]


def list_weights(console: Console) -> None:
    """Print every known checkpoint: whether it is there, where it is published, under which licence."""
    from rich.markup import escape

    def line(there: bool, *words: str) -> None:
        mark = "[green]✓[/]" if there else "[dim]–[/]"
        console.print(f"  {mark} " + "  ".join(filter(None, map(escape, words))), soft_wrap=True, highlight=False)

    for info in weights.networks().values():
        have = weights.stored(info.name)
        shipped = weights.bundled(info)
        if not info.checkpoints and not have and shipped is None:
            continue
        console.print(f"[bold]{info.name}[/]", highlight=False)
        if shipped is not None:
            line(True, "ships with vsvfi", f"({info.weights_license})" if info.weights_license else "")
        for checkpoint in info.checkpoints:
            there = any(entry.name == checkpoint.name for entry in have)
            line(there, checkpoint.name, checkpoint.file, f"({checkpoint.license})", checkpoint.url)
        known = {checkpoint.name for checkpoint in info.checkpoints}
        for entry in have:
            if entry.name not in known:
                line(True, entry.name, f"part {entry.part}" if entry.part else "", "added from a file of yours")
    console.print("\n[green]✓[/] is there; get another at its address, then: vsvfi weights add FILE")
    console.print(f"Added weights are kept in {weights.data_dir() / 'weights'}", soft_wrap=True)


def add_weights(model_or_file: str, files: Sequence[Path], name: str | None, console: Console) -> None:
    """Add checkpoints: ``[MODEL] FILE...``, where the first word is a model unless it is a file.

    Raises:
        VsvfiError: no file was given.
        WeightsError: a file does not fit.
    """
    from rich.markup import escape

    first = Path(model_or_file)
    model = None if first.is_file() or first.suffix else model_or_file
    paths = [first, *files] if model is None else list(files)
    if not paths:
        raise VsvfiError(f"which file? vsvfi weights add {model_or_file} FILE")
    for path in paths:
        added = weights.add(path, model, name)
        part = f", part {added.part}" if added.part else ""
        console.print(f"[green]✓[/] {path.name} is {added.model}{part}; kept as {added.name!r}", soft_wrap=True)
        info = weights.networks()[added.model]
        if not info.commercial_use:
            console.print(f"  [yellow]not for commercial use[/]: {escape(info.weights_license)}", soft_wrap=True)
