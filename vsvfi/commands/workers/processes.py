"""Worker processes of this machine.

Python's own process pool does what is needed here, and works where Ray is not installed; the price is that the death
of one worker ends them all, and each starts its item again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from vsvfi.commands.workers.pool import ATTEMPTS, Answer, Tell, WorkFailedError, answer_of

__all__ = ["Processes", "limit_threads"]

NAME_BYTES = 64

_context = get_context("spawn")


class Processes:
    """``count`` processes, each with its share of the processor's cores, and with a GPU of ``gpus`` where any are."""

    attempts = ATTEMPTS

    def __init__(self, count: int, gpus: Sequence[str] = ()) -> None:
        self._count, self._gpus = count, list(gpus)
        self.threads = max(1, (os.cpu_count() or 1) // count)
        self._start()

    def _start(self) -> None:
        # Shared without a lock: a worker that is killed while it holds one would stop all others.
        self._names = _context.RawArray("c", NAME_BYTES * self._count)
        self._counts = _context.RawArray("q", self._count)
        places = _context.SimpleQueue()
        for place in range(self._count):
            places.put((place, self._gpus[place % len(self._gpus)] if self._gpus else None))
        shared = (places, self._names, self._counts, self.threads)
        self._executor = ProcessPoolExecutor(self._count, _context, _begin, shared)

    def room(self) -> int:
        """One item for each process."""
        return self._count

    def submit(
        self,
        work: Callable[[Any, Tell], Any],
        item: Any,
        name: str,
        avoid: frozenset[str],  # noqa: ARG002
    ) -> Future[Answer]:
        """Send an item to the next free process; new processes are started where one died."""
        try:
            return self._executor.submit(_serve, work, item, name)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._start()
            return self._executor.submit(_serve, work, item, name)

    def refuse(self, node: str, reason: str) -> None:  # noqa: ARG002
        """All processes are the same."""
        raise WorkFailedError(f"this machine is not what it was when the work began: {reason}")

    def progress(self) -> dict[str, tuple[str, int]]:
        """What each process has in hand, and how far it is."""
        raw = bytes(self._names)
        names = [raw[k * NAME_BYTES : (k + 1) * NAME_BYTES].rstrip(b"\0").decode() for k in range(self._count)]
        return {f"worker {k + 1}": (name, self._counts[k]) for k, name in enumerate(names) if name}

    def close(self) -> None:
        """End the processes, in the middle of their work if need be."""
        processes = list((self._executor._processes or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def limit_threads(threads: int) -> None:
    """Have whatever is loaded from now on in this process use so many threads."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)


_here: dict[str, Any] = {}
"""What a worker process knows of itself."""


def _begin(places: Any, names: Any, counts: Any, threads: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that ends this one
    place, gpu = places.get()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    limit_threads(threads)
    _here.update(place=place, names=names, counts=counts)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(work: Callable[[Any, Tell], Any], item: Any, name: str) -> Answer:
    place, names, counts = _here["place"], _here["names"], _here["counts"]

    def tell(count: int) -> None:
        counts[place] = count

    def label(text: str) -> None:
        names[place * NAME_BYTES : (place + 1) * NAME_BYTES] = text.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")

    tell(0)
    label(name)
    try:
        return answer_of(work, item, tell)
    finally:
        label("")
