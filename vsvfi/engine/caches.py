"""What keeps results for a while, and what lets callers in: the engine's tools for working with many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

__all__ = ["OnceCache", "Turnstile"]


class OnceCache[K: Hashable, V]:
    """The results of a function of a key, each computed once however many threads ask, the latest ``capacity`` kept.

    A computation that fails is forgotten: all who waited for it get its exception, and the next request tries again.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, Future[V]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def get(self, key: K, compute: Callable[[], V]) -> V:
        """The value for ``key``, from ``compute()`` where it is not there."""
        with self._lock:
            future = self._entries.get(key)
            mine = future is None
            if future is None:
                future = self._entries[key] = Future()
                self._evict()
            else:
                self._entries.move_to_end(key)
        if mine:
            try:
                future.set_result(compute())
            except BaseException as error:
                with self._lock:
                    if self._entries.get(key) is future:
                        del self._entries[key]
                future.set_exception(error)
        try:
            return future.result()
        finally:
            # A raised exception refers to this frame: without this, the two would keep each other (and frames) alive.
            del future

    def clear(self) -> None:
        """Forget every finished result."""
        with self._lock:
            for key in [key for key, future in self._entries.items() if future.done()]:
                del self._entries[key]

    def _evict(self) -> None:
        surplus = len(self._entries) - self._capacity
        if surplus > 0:
            for key in [key for key, future in self._entries.items() if future.done()][:surplus]:
                del self._entries[key]


@dataclass(eq=False, slots=True)
class _Ticket:
    group: Hashable
    order: int
    number: int


class Turnstile:
    """Lets ``places`` callers in at a time: first those of the group that came in last, else those of lowest order.

    Requests for one pair of frames so come in one after the other, while what was prepared for it is still cached.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._group: Hashable = None
        self._numbers = count()

    def _next(self) -> _Ticket:
        return min(self._waiting, key=lambda ticket: (ticket.group != self._group, ticket.order, ticket.number))

    @contextmanager
    def entered(self, group: Hashable, order: int) -> Iterator[None]:
        """Wait for a place, and hold it."""
        with self._changed:
            ticket = _Ticket(group, order, next(self._numbers))
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._free > 0 and self._next() is ticket)
            self._waiting.remove(ticket)
            self._group = group
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
