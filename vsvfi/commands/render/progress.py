"""What is shown while a video is rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["shown"]


@contextmanager
def shown(frames: int, done: int, console: Console) -> Iterator[Callable[[int], None]]:
    """Show how far ``frames`` are made, of which ``done`` are there already; gives what to call with that number."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"))
    speed = TextColumn("{task.fields[speed]}")
    with Progress(*columns, speed, TimeRemainingColumn(elapsed_when_finished=True), console=console) as progress:
        task = progress.add_task("Rendering", total=frames, completed=done, speed="")

        def update(completed: int) -> None:
            rate = progress.tasks[task].speed
            progress.update(task, completed=completed, speed=f"{rate:.1f} fps" if rate else "")

        yield update
