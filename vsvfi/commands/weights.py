"""`vsvfi weights`: what is there, what is known, and getting, adding and removing checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.errors import VsvfiError
from vsvfi.models import weights

if TYPE_CHECKING:
    from rich.console import Console

    from vsvfi.models.info import NetworkInfo

__all__ = ["add_weights", "get_weights", "list_weights", "remove_weights", "weights_paths"]


def list_weights(console: Console) -> None:
    """Print every known checkpoint: whether it is there, where it is published, under which licence."""
    for info in weights.networks().values():
        if info.weights_of:
            continue
        have = weights.stored(info.name)
        shipped = weights.bundled(info)
        if not info.checkpoints and not have and shipped is None:
            continue
        _say(console, info.name, style="bold")
        if shipped is not None:
            _line(console, "✓", "ships with vsvfi", f"({info.weights_license})" if info.weights_license else "")
        for checkpoint in info.checkpoints:
            there = any(entry.name == checkpoint.name and entry.part == checkpoint.part for entry in have)
            if not there:
                by_hand = "" if checkpoint.places else "by hand"
                _line(
                    console, "–", checkpoint.name, checkpoint.file, f"({checkpoint.license})", checkpoint.url, by_hand
                )
        for entry in have:
            _list_stored(console, entry)
    _say(console, "\nGet them with: vsvfi weights get MODEL; or by hand, and then: vsvfi weights add FILE")
    _say(console, f"Added weights are kept in {weights.data_dir() / 'weights'}")


def _list_stored(console: Console, entry: weights.Stored) -> None:
    part = f"part {entry.part}" if entry.part else ""
    damage = weights.damage(entry.path)
    if damage:
        _line(console, "✗", entry.name, part, f"damaged: {damage}; add it again", str(entry.path))
        return
    about = weights.metadata(entry.path)
    licence = f"({about['license']})" if about.get("license") else ""
    _line(console, "✓", entry.name, part, about.get("file", ""), licence, f"sha256 {about.get('sha256', 'unknown')}")


def _line(console: Console, mark: str, *words: str) -> None:
    from rich.text import Text

    style = {"✓": "green", "✗": "red", "–": "dim"}[mark]
    console.print(Text("  ").append(mark, style).append(" " + "  ".join(filter(None, words))), soft_wrap=True)


def _say(console: Console, text: str, style: str = "") -> None:
    """Print text as it is: names of files may look like markup."""
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def add_weights(model_or_file: str, files: Sequence[Path], name: str | None, console: Console) -> None:
    """Add checkpoints: ``[MODEL] FILE...``, where the first word is a model unless it is a file.

    Raises:
        VsvfiError: no file was given.
        WeightsError: a file does not fit.
    """
    first = Path(model_or_file)
    model = None if model_or_file not in weights.networks() else model_or_file
    paths = [first, *files] if model is None else list(files)
    if not paths:
        raise VsvfiError(f"which file? vsvfi weights add {model_or_file} FILE")
    for path in paths:
        say_added(console, weights.add(path, model, name), path.name)


def say_added(console: Console, added: weights.Stored, file: str) -> None:
    """Say what a file was recognised as, what it replaced, and what its licence forbids."""
    part = f", part {added.part}" if added.part else ""
    replaced = (
        "" if not added.before else ", as it was" if added.before == added.sha256 else f", in place of {added.before}"
    )
    _line(console, "✓", f"{file} is {added.model}{part}; kept as {added.name!r}{replaced}")
    if added.sha256:
        _say(console, f"    sha256 {added.sha256}")
    info = weights.networks()[added.model]
    if not info.commercial_use:
        _say(console, f"    not for commercial use: {info.weights_license}", style="yellow")


def get_weights(model: str, checkpoint: str | None, origin: str | None, *, yes: bool, console: Console) -> None:
    """Fetch published checkpoints of a model, after showing their licences and asking once.

    Raises:
        VsvfiError: the licence was not accepted, or there is nobody to ask.
        WeightsError: nothing could be fetched.
    """
    info = weights.owner_of(model)
    chosen = weights.chosen_checkpoints(info, checkpoint)
    for one in chosen:
        _say(console, f"{one.file} of {info.name}, published at {one.url}")
        _say(console, f"    licence: {one.license}" + ("" if info.commercial_use else "; not for commercial use"))
    if not yes and not _accepted(console):
        raise VsvfiError("nothing was downloaded: the licence was not accepted")
    for one in chosen:
        with _progress(console, one.file) as report:
            added = weights.get(info, one, origin=origin, report=report)
        say_added(console, added, one.file)


def _accepted(console: Console) -> bool:
    if not sys.stdin.isatty():
        raise VsvfiError("there is nobody to ask whether you accept the licence; to accept it, add --yes")
    return console.input("Download under this licence? \\[y/N] ").strip().lower() in ("y", "yes")


@contextmanager
def _progress(console: Console, file: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for a download, as long as it lasts."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(file, total=None)
        yield lambda _address, done, total: bar.update(task, completed=done, total=total)


def remove_weights(model: str, name: str | None, console: Console) -> None:
    """Delete added weights.

    Raises:
        WeightsError: there are none of that name.
    """
    for entry in weights.remove(model, name):
        _line(console, "✓", f"removed {entry.path}")


def weights_paths(model: str, chosen: Sequence[str]) -> list[Path]:
    """The files that a model runs with; an unknown model is an error.

    Raises:
        WeightsError: no such model takes weights, or it has none.
    """
    info: NetworkInfo | None = weights.networks().get(model)
    return weights.locate(info if info is not None else weights.owner_of(model), chosen)
