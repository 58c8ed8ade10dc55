"""Lanes: what one new frame at a time goes through on a device, from its source's planes to its own.

A lane owns a stream and page-locked memory in the samples' own type. Nothing in it waits for the device but `finish`,
once for each new frame. What lanes share (source frames, features, states) is ordered by marks: who uses what another
lane has made waits for it on the device. A value lives at least as long as the lanes that use it are at work, since
each holds on to what it uses until it has finished: memory is never given to others under a running kernel.

`Stream` is all that is asked of a device; `CpuStream` is its twin, where everything has happened when a call returns.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["CpuStream", "CudaStream", "Lane", "Made", "Stream", "stream_on"]


class Stream(ABC):
    """A queue of work on a device."""

    device: torch.device

    @abstractmethod
    def entered(self) -> contextlib.AbstractContextManager[object]:
        """What is called in this context is put into the queue."""

    @abstractmethod
    def host_memory(self, count: int, dtype: torch.dtype) -> Tensor:
        """Memory of the host ``(count,)`` that the device reads and writes by itself."""

    @abstractmethod
    def mark(self) -> Any:
        """The point that the queue has reached."""

    @abstractmethod
    def wait_for(self, mark: Any) -> None:
        """Have the queue wait for a mark of another; the caller does not wait."""

    @abstractmethod
    def finish(self) -> None:
        """Have the caller wait until the queue is empty, other Python threads running on."""


class CpuStream(Stream):
    """Work is done when it is called."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def entered(self) -> contextlib.AbstractContextManager[object]:
        """Nothing is to be done."""
        return contextlib.nullcontext()

    def host_memory(self, count: int, dtype: torch.dtype) -> Tensor:
        """Plain memory."""
        return torch.empty(count, dtype=dtype)

    def mark(self) -> None:
        """Everything is done."""

    def wait_for(self, mark: None) -> None:
        """Everything is done."""

    def finish(self) -> None:
        """Everything is done."""


class CudaStream(Stream):
    """A CUDA stream, its own or, where lanes are switched off, the device's default one."""

    def __init__(self, device: torch.device, *, own: bool = True) -> None:
        self.device = device
        self._own = own
        self._stream = torch.cuda.Stream(device) if own else torch.cuda.default_stream(device)
        with torch.cuda.device(device):
            self._done = torch.cuda.Event(blocking=True)

    def entered(self) -> contextlib.AbstractContextManager[object]:
        """The stream, and its device, are torch's current ones."""
        return torch.cuda.stream(self._stream)

    def host_memory(self, count: int, dtype: torch.dtype) -> Tensor:
        """Page-locked memory, made in the context of this device and no other."""
        with torch.cuda.device(self.device):
            return torch.empty(count, dtype=dtype, pin_memory=self._own)

    def mark(self) -> torch.cuda.Event:
        """An event."""
        event = torch.cuda.Event()
        event.record(self._stream)
        return event

    def wait_for(self, mark: torch.cuda.Event) -> None:
        """On the device."""
        self._stream.wait_event(mark)

    def finish(self) -> None:
        """Sleeps on an event, without the GIL."""
        self._done.record(self._stream)
        self._done.synchronize()


def stream_on(device: torch.device, *, own: bool) -> Stream:
    """A stream on a device; with ``own`` apart from others', where the device has several."""
    return CudaStream(device, own=own) if device.type == "cuda" else CpuStream(device)


@dataclass(frozen=True, slots=True, eq=False)
class Made[T]:
    """A value that lanes share, who made it, and when it is there."""

    value: T
    lane: Lane
    mark: Any


class Lane:
    """A stream with its memory; for one thread at a time, between `begin` and `finish`."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._memory: dict[tuple[int, torch.dtype], list[Tensor]] = {}
        self._taken: list[tuple[tuple[int, torch.dtype], Tensor]] = []
        self._held: list[Any] = []

    @property
    def device(self) -> torch.device:
        """Where the lane works."""
        return self.stream.device

    def made[T](self, value: T) -> Made[T]:
        """A value that this lane's queue is about to make, for others to use."""
        return Made(value, self, self.stream.mark())

    def use[T](self, made: Made[T]) -> T:
        """A value of any lane, from here on in this lane's queue."""
        if made.lane is not self:
            self.stream.wait_for(made.mark)
        self._held.append(made)
        return made.value

    def memory(self, count: int, dtype: torch.dtype) -> Tensor:
        """Memory of the host ``(count,)``, this caller's until `finish` has returned."""
        key = (count, dtype)
        free = self._memory.setdefault(key, [])
        memory = free.pop() if free else self.stream.host_memory(count, dtype)
        self._taken.append((key, memory))
        return memory

    def upload(self, host: Tensor) -> Tensor:
        """A copy on the device of memory from `memory`."""
        return host.to(self.device, non_blocking=True)

    def download(self, tensor: Tensor) -> Tensor:
        """Memory of the host that will hold a tensor ``(count,)`` once `finish` has returned."""
        host = self.memory(tensor.numel(), tensor.dtype)
        host.copy_(tensor, non_blocking=True)
        return host

    def numbers(self, values: list[float]) -> Tensor:
        """Numbers on the device, fp32."""
        host = self.memory(len(values), torch.float32)
        for index, value in enumerate(values):
            host[index] = value
        return self.upload(host)

    def finish(self) -> None:
        """Wait for the device: the only place where a lane does."""
        self.stream.finish()

    def clear(self) -> None:
        """After `finish`, or after a failure: memory is free again, and values may go."""
        for key, memory in self._taken:
            self._memory[key].append(memory)
        self._taken.clear()
        self._held.clear()
