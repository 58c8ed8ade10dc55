"""What processes of this machine and of a cluster have in common: items of work go out, answers come back.

Who does what, and when, is left to `concurrent.futures` and to Ray; here is only what neither knows: that an item
which failed in one place is tried in another, and when to give up. No vapoursynth, numpy or torch here: a worker
imports this before the number of its threads is set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

from vsvfi.errors import VsvfiError

__all__ = ["ATTEMPTS", "Answer", "Inline", "NodeRefusedError", "Pool", "Tell", "WorkFailedError", "answer_of", "run"]

ATTEMPTS = 3
"""How often an item of work is tried."""

TICK = 0.5
"""Seconds between two looks at how far the workers are."""

type Tell = Callable[[int], None]
"""What work calls to say how far it is."""


class NodeRefusedError(VsvfiError):
    """This machine cannot do such work as the others do; the message says why."""


class WorkFailedError(VsvfiError):
    """Some work could not be done; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an item of work: ``value``, or why there is none."""

    node: str = ""
    host: str = ""
    value: Any = None
    refused: str = ""
    failed: str = ""


def answer_of(work: Callable[[Any, Tell], Any], item: Any, tell: Tell, *, node: str = "", host: str = "") -> Answer:
    """Do an item of work, and put whatever comes of it into words: exceptions do not cross machines well."""
    try:
        return Answer(node, host, value=work(item, tell))
    except NodeRefusedError as error:
        return Answer(node, host, refused=str(error))
    except (VsvfiError, OSError) as error:
        return Answer(node, host, failed=str(error))
    except Exception as error:
        return Answer(node, host, failed=f"{type(error).__name__}: {' '.join(str(error).split())}")


class Pool(Protocol):
    """Workers; ``threads`` is how many each may use, None for as many as there are."""

    attempts: int

    @property
    def threads(self) -> int | None: ...

    def room(self) -> int:
        """How many items may be on their way at once.

        Raises:
            VsvfiError: there is no worker left.
        """

    def submit(self, work: Callable[[Any, Tell], Any], item: Any, name: str, avoid: frozenset[str]) -> Future[Answer]:
        """Send an item out, to none of the nodes to ``avoid`` where there are others."""

    def refuse(self, node: str, reason: str) -> None:
        """Send nothing to a node any more.

        Raises:
            VsvfiError: there is no other.
        """

    def progress(self) -> dict[str, tuple[str, int]]:
        """What each worker has in hand, and how far it is."""

    def close(self) -> None:
        """End all workers, and the work they have in hand."""


class Inline:
    """No workers: this process does the work itself, one item after another."""

    attempts = 1
    threads = None

    def __init__(self, tell: Callable[[str, int], None]) -> None:
        self._tell = tell

    def room(self) -> int:
        """One item at a time."""
        return 1

    def submit(
        self,
        work: Callable[[Any, Tell], Any],
        item: Any,
        name: str,
        avoid: frozenset[str],  # noqa: ARG002
    ) -> Future[Answer]:
        """Do it now."""
        done: Future[Answer] = Future()
        done.set_result(answer_of(work, item, lambda count: self._tell(name, count)))
        return done

    def refuse(self, node: str, reason: str) -> None:  # noqa: ARG002
        """There is no other."""
        raise WorkFailedError(f"this machine is not what it was when the work began: {reason}")

    def progress(self) -> dict[str, tuple[str, int]]:
        """Nothing is in hand while this is asked."""
        return {}

    def close(self) -> None:
        """Nothing to end."""


def run[Item](
    pool: Pool,
    work: Callable[[Any, Tell], Any],
    items: Iterable[Item],
    *,
    pack: Callable[[Item], Any] = lambda item: item,
    name: Callable[[Item], str] = str,
    tick: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> Iterator[tuple[Item, Any]]:
    """Have work done on items, and give what comes of them as it comes.

    Args:
        pool: who does it.
        work: a function that workers can import; it is given what ``pack`` makes of an item, and what to call with
            how far it is.
        items: in the order in which they are to go out; asked for as workers become free.
        pack: what is sent for an item, made when it goes out.
        name: what an item is called in messages and in dashboards.
        tick: called about twice a second.
        say: what to do with lines that a user should read.

    Raises:
        WorkFailedError: an item failed as often as it may; whatever was in hand is finished first.
    """
    queue, again = iter(items), list[Item]()
    on_the_way: dict[Future[Answer], Item] = {}
    failures: Counter[Item] = Counter()
    shunned: dict[Item, frozenset[str]] = {}
    given_up = ""
    while True:
        while not given_up and len(on_the_way) < pool.room():
            item = again.pop() if again else next(queue, None)
            if item is None:
                break
            on_the_way[pool.submit(work, pack(item), name(item), shunned.get(item, frozenset()))] = item
        if not on_the_way:
            break
        finished, _ = wait(on_the_way, timeout=TICK, return_when=FIRST_COMPLETED)
        tick()
        for future in finished:
            item = on_the_way.pop(future)
            answer = _outcome(future)
            if answer.refused:
                pool.refuse(answer.node, answer.refused)
                say(f"{answer.host} is left out: {answer.refused}")
                again.append(item)
            elif answer.failed:
                failures[item] += 1
                shunned[item] = shunned.get(item, frozenset()) | {answer.node}
                where = f" on {answer.host}" if answer.host else ""
                if failures[item] >= pool.attempts:
                    given_up = given_up or _final(name(item), where, answer.failed, pool.attempts)
                else:
                    say(f"{name(item)} failed{where}, and is tried again: {answer.failed}")
                    again.append(item)
            else:
                yield item, answer.value
    if given_up:
        raise WorkFailedError(given_up)


def _final(name: str, where: str, reason: str, attempts: int) -> str:
    return f"{name} failed {attempts} times, at last{where}: {reason}" if attempts > 1 else reason


def _outcome(future: Future[Answer]) -> Answer:
    error = future.exception()
    if error is None:
        return future.result()
    # The worker is gone, and so is any message of its own.
    return Answer(failed=f"the worker ended ({type(error).__name__})")
