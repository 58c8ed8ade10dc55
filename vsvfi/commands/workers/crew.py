"""The workers that a user asks for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from vsvfi.commands.workers.pool import Inline, Pool
from vsvfi.errors import VsvfiError
from vsvfi.models import registry

__all__ = ["Crew", "pool_of", "workers_from"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who does the work: so many processes (None: as many as there are GPUs), of this machine or of a Ray cluster.

    With ``ship`` the cluster's machines need not see the source's and the output's folders.
    """

    workers: int | None = 1
    cluster: str = ""
    ship: bool = False

    def check(self) -> None:
        """Check that there can be such workers.

        Raises:
            VsvfiError: there would be no worker, or no machine to send the source to.
        """
        if self.workers is not None and self.workers < 1:
            raise VsvfiError(f"--workers must be at least 1, or auto, got {self.workers}")
        if self.ship and not self.cluster:
            raise VsvfiError("--ship sends the source to a cluster: say which with --cluster")


def workers_from(text: str, cluster: str) -> int | None:
    """How many workers the command line asks for; None for as many as there are places.

    Raises:
        VsvfiError: it is neither a number nor ``auto``.
    """
    if text == "auto" or (not text and cluster):
        return None
    try:
        return int(text or 1)
    except ValueError:
        raise VsvfiError(f"--workers must be at least 1, or auto, got {text!r}") from None


def pool_of(crew: Crew, *, model: str, device: str, tell: Callable[[str, int], None]) -> Pool:
    """Start the workers that work with a model on a device; ``tell`` is for the only one, which is this process.

    Raises:
        VsvfiError: there can be none of the kind.
    """
    if crew.cluster:
        from vsvfi.commands.workers.cluster import Cluster

        return Cluster(crew.cluster, limit=crew.workers, gpu=_may_use_gpu(model, device))
    gpus = _gpus() if _may_use_gpu(model, device) else []
    workers = max(1, len(gpus)) if crew.workers is None else crew.workers
    if workers == 1:
        return Inline(tell)
    from vsvfi.commands.workers.processes import Processes

    return Processes(workers, gpus)


def _may_use_gpu(model: str, device: str) -> bool:
    """Whether the model runs on whatever GPU a worker finds."""
    return not registry.find(model).planes and device in ("auto", "cuda")


def _gpus() -> list[str]:
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    named = [name for name in visible.split(",") if name]
    return named or [str(number) for number in range(torch.cuda.device_count())]
