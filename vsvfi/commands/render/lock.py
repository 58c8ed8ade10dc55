"""One render at a time writes an output."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vsvfi.errors import VsvfiError

__all__ = ["LOCK", "locked"]

LOCK = "lock"
"""The file in the folder of an unfinished render that its process holds locked."""

HOLDER = "lock-holder"
"""The file next to it that names the process."""


@contextmanager
def locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold the lock of an output. The system releases it when the process ends, however it ends.

    Raises:
        VsvfiError: another process holds it.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = "another process"
        with suppress(OSError):
            who = holder.read_text()
        raise VsvfiError(f"{out} is being rendered by {who}: wait for it, or stop it") from None
    except NotImplementedError:  # a network file system without locks
        yield
        return
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
            lock.release()
            (folder / LOCK).unlink(missing_ok=True)
