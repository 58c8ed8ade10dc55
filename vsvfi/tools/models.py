"""`vsvfi models`: what can be used now, and what is missing for the rest."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsvfi import registry, weights
from vsvfi.backend import BackendInfo

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Availability", "availability", "list_models"]


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a model can be used now; ``missing`` says in a line what to do when it cannot."""

    info: BackendInfo
    missing: str

    @property
    def usable(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def availability() -> list[Availability]:
    """All known models, those that can be used first."""
    has_torch = importlib.util.find_spec("torch") is not None
    found = [Availability(info, _missing(info, has_torch)) for info in registry.backends().values()]
    return sorted(found, key=lambda entry: (_lack(entry), entry.info.name))


def _missing(info: BackendInfo, has_torch: bool) -> str:
    wanted = []
    if not info.planes and not has_torch:
        wanted.append("torch: pip install 'vsvfi[torch]'")
    if info.build:
        try:
            weights.locate(info)
        except weights.WeightsError:
            file = info.checkpoints[0].file if info.checkpoints else "FILE"
            wanted.append(f"weights: vsvfi weights add {info.name} {file}")
    return "; ".join(wanted)


def list_models(console: Console) -> None:
    """Print the models a line each, grouped by what they miss, and what could not be loaded."""
    from rich.table import Table

    entries = availability()
    width = max((len(entry.info.name) for entry in entries), default=0)
    for what, group in itertools.groupby(entries, _lack):
        title = f"Needs {what}" if what else "Can be used now"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for column, least in (("model", width), ("timesteps", 9), ("what it is", 20)):
            table.add_column(column, no_wrap=True, header_style="dim", overflow="ellipsis", min_width=least)
        for entry in group:
            info = entry.info
            licence = "" if info.commercial_use else "[yellow](non-commercial)[/] "
            table.add_row(
                f"[green]{info.name}[/]" if entry.usable else info.name,
                "any" if info.timesteps == "any" else "1/2, 1/4 …",
                licence + info.summary,
            )
        console.print(table, "")
    first = next((entry for entry in entries if not entry.usable), None)
    if first is not None:
        console.print(f"For example, {first.info.name} needs {first.missing}", soft_wrap=True)
        console.print("`vsvfi weights` says where all weights are published, and under which licence.")
    for problem in registry.problems():
        console.print(f"[yellow]plugin {problem.plugin!r} was skipped:[/] {problem.reason}", soft_wrap=True)


def _lack(entry: Availability) -> str:
    """What kinds of things a model misses: ``"torch and weights"``."""
    return " and ".join(wanted.partition(":")[0] for wanted in entry.missing.split("; "))
