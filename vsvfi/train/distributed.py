"""Several processes that train one network, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed as dist
from torch import nn

__all__ = ["World", "joined"]


@dataclass(frozen=True)
class World:
    """This process among ``size`` that train together; ``local`` is its number on its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints, logs and what is printed."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device="cuda" if dist.get_backend() == "nccl" else "cpu")
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value > 0)

    def average_gradients(self, network: nn.Module) -> None:
        """Give every process the mean of all gradients, for a network outside DistributedDataParallel."""
        if self.size > 1:
            for parameter in network.parameters():
                if parameter.grad is not None:
                    dist.all_reduce(parameter.grad)
                    parameter.grad /= self.size

    def spread(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over all processes."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        # Some networks leave parameters unused, as those of a stage whose result is not asked for.
        return DistributedDataParallel(network, find_unused_parameters=True)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Within, this process is one of those that ``torchrun`` started; without torchrun, it is alone.

    NCCL connects GPUs, gloo CPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    gpus = device.partition(":")[0] in ("auto", "cuda") and torch.cuda.is_available()
    world = World(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    if gpus:
        torch.cuda.set_device(world.local)
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        yield world
    finally:
        dist.destroy_process_group()
