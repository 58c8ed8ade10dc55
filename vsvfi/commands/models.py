"""`vsvfi models`: what can be used now, and what is missing for the rest."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vsvfi.models import registry
from vsvfi.models.availability import Availability, availability

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["list_models", "models_as_json"]


def list_models(console: Console, *, every: bool = False) -> None:
    """Print the models, grouped by what they miss, and what could not be loaded.

    Args:
        console: where to.
        every: a line for each version; else one for each family: the models of one package.
    """
    from rich.markup import escape
    from rich.table import Table

    entries = availability()
    for lack, group in itertools.groupby(entries, lambda entry: entry.lack):
        members = list(group)
        install = f": {escape(members[0].install)}" if members[0].install else ""
        title = f"Needs {lack}{install}" if lack else "Can be used now"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        table.add_column("model", header_style="dim", overflow="fold", max_width=34)
        for column in ("times", "frames", "licence"):
            table.add_column(column, no_wrap=True, header_style="dim")
        table.add_column("what it is", header_style="dim")
        families = [[entry] for entry in members] if every else _families(members)
        for family in families:
            info = family[0].info
            table.add_row(
                f"[green]{_title(family)}[/]" if not lack else _title(family),
                "none" if info.kind == "enhance" else "any" if info.timesteps == "any" else "1/2",
                str(len(info.window)),
                info.weights_license or info.code_license if info.commercial_use else "[yellow]non-commercial[/]",
                info.summary,
            )
        console.print(table, "")
    if any(entry.add for entry in entries):
        console.print("Weights are downloaded with `vsvfi weights get MODEL`; `vsvfi weights` lists them.")
    if not every:
        console.print("`vsvfi models --all` lists every version.")
    for problem in registry.problems():
        console.print(
            f"[yellow]plugin {escape(repr(problem.plugin))} was skipped:[/] {escape(problem.reason)}", soft_wrap=True
        )


def _families(entries: Sequence[Availability]) -> list[list[Availability]]:
    """Models whose code is in one package, and whose licences agree, together."""
    families: dict[tuple[object, ...], list[Availability]] = {}
    for entry in entries:
        info = entry.info
        package = info.backend.partition(":")[0].rpartition(".")[0]
        key = (package, info.timesteps, info.window, info.commercial_use)
        families.setdefault(key, []).append(entry)
    return list(families.values())


def _title(family: Sequence[Availability]) -> str:
    """The names of a family: all of a few, the first and the last of many."""
    names = [entry.info.name for entry in family]
    return ", ".join(names) if len(names) < 5 else f"{names[0]}, {names[1]} to {names[-1]} ({len(names)})"


def models_as_json() -> str:
    """The models as a JSON array of objects, in the order of `list_models`."""
    return json.dumps([_described(entry) for entry in availability()], indent=2)


def _described(entry: Availability) -> dict[str, object]:
    info = entry.info
    return {
        "name": info.name,
        "kind": info.kind,
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
