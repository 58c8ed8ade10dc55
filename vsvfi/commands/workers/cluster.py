"""Workers on a Ray cluster: Ray schedules, retries where a worker stopped, and moves data."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from vsvfi.commands.workers.pool import ATTEMPTS, Answer, Tell
from vsvfi.errors import VsvfiError

__all__ = ["Cluster"]

CPUS = 4
"""Processor cores of a worker without a GPU, where its machine has as many."""

ANSWER_SECONDS = 5
"""How long a cluster's address may take to answer."""

EMPTY_SECONDS = 60
"""How long a cluster may be without a usable machine, as when one is being replaced, before a render gives up."""


class Cluster:
    """The machines of the Ray cluster at an address; at most ``limit`` segments at once.

    Raises:
        VsvfiError: Ray is not installed, or nothing answers at the address.
    """

    attempts = ATTEMPTS

    def __init__(self, address: str, *, limit: int | None, gpu: bool) -> None:
        ray = _ray()
        _check_answers(address)
        try:
            ray.init(address=address, namespace="vsvfi", log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, TimeoutError) as error:
            raise VsvfiError(f"there is no Ray cluster at {address}: {_first_line(error)}") from None
        self._limit = limit
        self._refused: set[str] = set()
        self._nodes: list[dict[str, Any]] = []
        self._seen = self._looked = 0.0
        self._look()
        self._gpu = gpu and any(node["Resources"].get("GPU", 0) >= 1 for node in self._nodes)
        self._cpus = min([CPUS, *(int(node["Resources"]["CPU"]) for node in self._able())])
        # By value: a machine may have another vsvfi, or none, and is to say so.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self._board = ray.remote(num_cpus=0, max_restarts=-1)(_Board).options(**_beside_driver(ray)).remote()
        self._work = ray.remote(max_retries=ATTEMPTS)(_serve_anywhere)
        self._begun: dict[Future[Answer], Any] = {}
        self._progress: dict[str, tuple[str, int]] = {}
        self._asked: Any = None

    @property
    def threads(self) -> int | None:
        """As many as a worker has cores; with a GPU, all of the machine's."""
        return None if self._gpu else self._cpus

    def _look(self) -> None:
        """Ask Ray for its machines, not more often than once a second."""
        now = time.monotonic()
        if now - self._looked >= 1:
            self._nodes = [node for node in _ray().nodes() if node["Alive"]]
            self._looked = now

    def _able(self) -> list[dict[str, Any]]:
        """The machines that may be given work."""
        kind = "GPU" if getattr(self, "_gpu", False) else "CPU"
        return [
            node for node in self._nodes if node["NodeID"] not in self._refused and node["Resources"].get(kind, 0) >= 1
        ]

    def room(self) -> int:
        """Twice as many items as fit at once, so that none waits for the next, or the limit.

        Raises:
            VsvfiError: for a while, no machine could be given any.
        """
        self._look()
        kind, each = ("GPU", 1) if self._gpu else ("CPU", self._cpus)
        places = sum(int(node["Resources"][kind] // each) for node in self._able())
        now = time.monotonic()
        if places:
            self._seen = now
        elif now - (self._seen or now) > EMPTY_SECONDS or (self._nodes and self._all_refused()):
            raise VsvfiError("no machine of the cluster is left that can do the work")
        self._seen = self._seen or now
        return self._limit or max(1, 2 * places)

    def _all_refused(self) -> bool:
        return all(node["NodeID"] in self._refused for node in self._nodes)

    def submit(self, work: Callable[[Any, Tell], Any], item: Any, name: str, avoid: frozenset[str]) -> Future[Answer]:
        """Give an item to Ray, under a name that its dashboard shows."""
        able = {node["NodeID"] for node in self._able()}
        shunned = self._refused | (avoid if able - avoid else frozenset())
        options: dict[str, Any] = {"name": name, "num_cpus": 0 if self._gpu else self._cpus}
        if self._gpu:
            options["num_gpus"] = 1
        if shunned:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(sorted(shunned))})"}
        place = f"{work.__module__}:{work.__qualname__}"
        ref = self._work.options(**options).remote(place, pickle.dumps(item), name, self._board, self.threads)
        answer: Future[Answer] = Future()
        self._begun[answer] = ref
        ref.future().add_done_callback(lambda done: self._settle(answer, done))
        return answer

    def _settle(self, answer: Future[Answer], done: Future[Any]) -> None:
        self._begun.pop(answer, None)
        error = done.exception()
        if error is None:
            answer.set_result(Answer(**done.result()))
        else:
            answer.set_result(Answer(failed=_first_line(error)))

    def refuse(self, node: str, reason: str) -> None:  # noqa: ARG002
        """Send no more work to a machine."""
        self._refused.add(node)

    def progress(self) -> dict[str, tuple[str, int]]:
        """What each worker works on; asked without waiting, so it may be a moment old."""
        ray = _ray()
        if self._asked is None:
            self._asked = self._board.read.remote()
        ready, _ = ray.wait([self._asked], timeout=0)
        if ready:
            with suppress(ray.exceptions.RayError):
                self._progress = ray.get(self._asked)
            self._asked = None
        return self._progress

    def close(self) -> None:
        """Cancel running work, and leave the cluster."""
        ray = _ray()
        for ref in list(self._begun.values()):
            with suppress(Exception):
                ray.cancel(ref, force=True)
        ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise VsvfiError("--cluster needs Ray: pip install 'vsvfi[cluster]'") from None
    return ray


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise VsvfiError(f"--cluster must be HOST:PORT, ray://HOST:PORT or auto, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise VsvfiError(f"there is no Ray cluster at {address}: {reason}; ray status shows whether one runs") from None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _beside_driver(ray: Any) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=True)}


class _Board:
    """An actor that collects the workers' progress."""

    def __init__(self) -> None:
        self._state: dict[str, tuple[str, int]] = {}

    def post(self, worker: str, name: str, count: int) -> None:
        if name:
            self._state[worker] = (name, count)
        else:
            self._state.pop(worker, None)

    def read(self) -> dict[str, tuple[str, int]]:
        return self._state


def _serve_anywhere(work: str, packed: bytes, name: str, board: Any, threads: int | None) -> dict[str, Any]:
    """What runs on a machine of the cluster. Sent by value: that machine may have another vsvfi, or none."""
    import importlib
    import os
    import pickle
    import socket
    import time

    import ray

    node, host = ray.get_runtime_context().get_node_id(), socket.gethostname()
    worker = f"{host} {os.getpid()}"
    last = 0.0

    def tell(count: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            board.post.remote(worker, name, count)

    try:
        processes = importlib.import_module("vsvfi.commands.workers.processes")
        pool = importlib.import_module("vsvfi.commands.workers.pool")
        module, _, function = work.partition(":")
        if threads is not None:
            processes.limit_threads(threads)
        do = getattr(importlib.import_module(module), function)
        item = pickle.loads(packed)
    except (ImportError, AttributeError, TypeError) as error:
        return {"node": node, "host": host, "refused": f"vsvfi is missing there, or is another ({error})"}
    board.post.remote(worker, name, 0)
    try:
        answer = pool.answer_of(do, item, tell, node=node, host=host)
    finally:
        board.post.remote(worker, "", 0)
    return {
        "node": answer.node,
        "host": answer.host,
        "value": answer.value,
        "refused": answer.refused,
        "failed": answer.failed,
    }
