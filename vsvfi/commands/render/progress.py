"""What is shown while a video is rendered: the whole, and what each worker has in hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["Shown", "clock", "remaining_seconds", "shown"]


def remaining_seconds(left: int, speed: float, in_hand: Mapping[str, int], workers: int) -> float:
    """How long ``left`` frames still take at ``speed`` frames a second, all workers together.

    One segment cannot be shared: the longest that a worker has ``in_hand`` takes that worker's own time.
    """
    if speed <= 0:
        return 0.0
    return max(left / speed, max(in_hand.values(), default=0) * workers / speed)


class Shown:
    """The display of a render."""

    def __init__(self, console: Console, frames: int, done: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"))
        self.display = Progress(*columns, TextColumn("{task.fields[speed]}"), console=console)
        self._whole = self.display.add_task("Rendering", total=frames, completed=done, speed="")
        self._frames, self._finished, self._began, self._before = frames, done, time.monotonic(), done
        self._rows: dict[str, TaskID] = {}

    def finished(self, frames: int) -> None:
        """So many frames more are in finished segments."""
        self._finished += frames
        self.update({})

    def update(self, in_hand: Mapping[str, tuple[str, int, int]]) -> None:
        """Show what each worker has in hand: its name, how many frames of it are made, and of how many."""
        made = self._finished + sum(count for _, count, _ in in_hand.values())
        elapsed = time.monotonic() - self._began
        speed = (made - self._before) / elapsed if elapsed > 0 else 0.0
        left = {worker: total - count for worker, (_, count, total) in in_hand.items()}
        seconds = remaining_seconds(self._frames - made, speed, left, len(in_hand))
        text = f"{speed:.1f} fps, {clock(seconds)} left" if made > self._before else ""
        self.display.update(self._whole, completed=made, speed=text)
        for worker in set(self._rows) - set(in_hand):
            self.display.remove_task(self._rows.pop(worker))
        if len(in_hand) > 1:
            for worker, (name, count, total) in in_hand.items():
                row = self._rows.get(worker)
                if row is None:
                    row = self._rows[worker] = self.display.add_task("", speed="")
                self.display.update(row, description=f"{worker}: {name}", completed=count, total=total)


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def shown(console: Console, frames: int, done: int) -> Iterator[Shown]:
    """Show how far ``frames`` are made, of which ``done`` are there already."""
    display = Shown(console, frames, done)
    with display.display:
        yield display
