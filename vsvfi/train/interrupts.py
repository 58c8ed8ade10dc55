"""Stopping a run in an orderly way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stop", "stopping"]


class Stop:
    """Counts the interrupts and termination signals that came; the loop ends after the current step."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def asked(self) -> bool:
        """Whether one came."""
        return self.count > 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.count += 1


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within, SIGINT and SIGTERM set a flag, where the main thread is the caller's."""
    stop = Stop()
    try:
        old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # signals belong to the main thread
        old = {}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
