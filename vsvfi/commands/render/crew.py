"""The pool of workers that a user asks for."""

from __future__ import annotations

import os
from collections.abc import Callable

from vsvfi.commands.render.job import Crew, Job
from vsvfi.commands.workers.pool import Inline, Pool
from vsvfi.models import registry

__all__ = ["pool_of"]


def pool_of(crew: Crew, job: Job, tell: Callable[[str, int], None]) -> Pool:
    """Start the workers; ``tell`` is for the only one, which is this process.

    Raises:
        VsvfiError: there can be none of the kind.
    """
    if crew.cluster:
        from vsvfi.commands.workers.cluster import Cluster

        return Cluster(crew.cluster, limit=crew.workers, gpu=_may_use_gpu(job.model, job.device))
    gpus = _gpus() if _may_use_gpu(job.model, job.device) else []
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
