"""`vsvfi models`: what can be used now, and what is missing for the rest."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from vsvfi.models import registry
from vsvfi.models.availability import Availability, availability

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["list_models", "models_as_json"]


def list_models(console: Console) -> None:
    """Print the models a line each, grouped by what they miss, and what could not be loaded."""
    from rich.markup import escape
    from rich.table import Table

    entries = availability()
    for lack, group in itertools.groupby(entries, lambda entry: entry.lack):
        members = list(group)
        install = f": {escape(members[0].install)}" if members[0].install else ""
        title = f"Needs {lack}{install}" if lack else "Can be used now"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        needs_weights = bool(members[0].add)
        table.add_column("added with" if needs_weights else "model", header_style="dim", overflow="fold")
        for column in ("times", "frames", "licence"):
            table.add_column(column, no_wrap=True, header_style="dim")
        if not needs_weights:
            table.add_column("what it is", header_style="dim")
        for entry in members:
            info = entry.info
            row = [
                entry.add or f"[green]{info.name}[/]",
                "any" if info.timesteps == "any" else "1/2",
                str(len(info.window)),
                info.weights_license or info.code_license if info.commercial_use else "[yellow]non-commercial[/]",
            ]
            table.add_row(*row, *([] if needs_weights else [info.summary]))
        console.print(table, "")
    if any(entry.add for entry in entries):
        console.print("`vsvfi weights` says where all weights are published, and under which licence.")
    for problem in registry.problems():
        console.print(f"[yellow]plugin {problem.plugin!r} was skipped:[/] {problem.reason}", soft_wrap=True)


def models_as_json() -> str:
    """The models as a JSON array of objects, in the order of `list_models`."""
    return json.dumps([_described(entry) for entry in availability()], indent=2)


def _described(entry: Availability) -> dict[str, object]:
    info = entry.info
    return {
        "name": info.name,
        "summary": info.summary,
        "title": info.title,
        "arxiv": info.arxiv,
        "timesteps": info.timesteps,
        "window": list(info.window),
        "spatial_scale": info.spatial_scale,
        "qualities": list(info.qualities),
        "code_license": info.code_license,
        "weights_license": info.weights_license,
        "commercial_use": info.commercial_use,
        "usable": entry.usable,
        "missing": [command for command in (entry.install, entry.add) if command],
    }
