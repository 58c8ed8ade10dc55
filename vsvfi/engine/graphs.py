"""Stages of a network as CUDA graphs: launched as one, instead of as hundreds of kernels one by one.

A graph reads and writes fixed memory. Inputs are copied into it, and outputs that outlive the next call out of it. A
stage is run as it is the first time, when libraries choose algorithms and kernels are compiled; captured the second
time; replayed from then on. A stage that cannot be captured, because it asks for values on the host, stays as it is.
"""

from __future__ import annotations

import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vsvfi.engine.memory import is_out_of_memory

__all__ = ["CpuGraph", "CudaGraph", "Graph", "Graphs", "flatten"]

_capturing = threading.Lock()
"""Captures are made one at a time: torch's memory pools require it."""


class Graph(ABC):
    """A captured call."""

    @abstractmethod
    def capture(self, function: Callable[[], Any]) -> Any:
        """Remember what ``function`` does, and return what it returns: tensors that `replay` overwrites."""

    @abstractmethod
    def replay(self) -> None:
        """Do it again, with what its inputs hold now."""


class CudaGraph(Graph):
    """A CUDA graph on torch's current stream."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, function: Callable[[], Any]) -> Any:
        """Under a lock; other threads continue unless they capture."""
        with (
            _capturing,
            torch.cuda.graph(self._graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"),
        ):
            return function()

    def replay(self) -> None:
        """On the current stream."""
        self._graph.replay()


class CpuGraph(Graph):
    """The twin on a CPU: calls again, and writes into what the first call returned."""

    def capture(self, function: Callable[[], Any]) -> Any:
        """Nothing is captured but the function."""
        self._function = function
        result = function()
        self._outputs, _ = flatten(result)
        return result

    def replay(self) -> None:
        """Call, and copy."""
        again, _ = flatten(self._function())
        for target, source in zip(self._outputs, again, strict=True):
            target.copy_(source)


def flatten(value: Any) -> tuple[list[Tensor], Callable[[list[Tensor]], Any]]:
    """The tensors in a value, in order, and a function that puts others in their places.

    Raises:
        TypeError: something is neither a tensor, a tuple, a list, a dataclass, nor a plain value.
    """
    if isinstance(value, Tensor):
        return [value], lambda tensors: tensors[0]
    if value is None or isinstance(value, bool | int | float | str):
        return [], lambda _: value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        parts = [getattr(value, name) for name in names]

        def make(items: list[Any]) -> Any:
            return dataclasses.replace(value, **dict(zip(names, items, strict=True)))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts, make = list(value), lambda items: type(value)(*items)
    elif isinstance(value, tuple | list):
        parts, make = list(value), lambda items: type(value)(items)
    else:
        raise TypeError(f"no tensors are looked for in {type(value).__name__}")
    inner = [flatten(part) for part in parts]

    def rebuild(tensors: list[Tensor]) -> Any:
        rest = iter(tensors)
        return make([build([next(rest) for _ in found]) for found, build in inner])

    return [tensor for found, _ in inner for tensor in found], rebuild


@dataclasses.dataclass(slots=True)
class _Captured:
    """A graph with its memory; an output is a tensor, or the number of the input that is returned as it is."""

    graph: Graph
    inputs: list[Tensor]
    outputs: list[Tensor | int]
    rebuild: Callable[[list[Tensor]], Any]

    @classmethod
    def of(cls, graph: Graph, function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Captured:
        """Capture a call, on copies of its arguments' tensors.

        Raises:
            RuntimeError: it cannot be captured.
        """
        tensors, rebuild = flatten(arguments)
        inputs = [torch.empty_like(tensor).copy_(tensor) for tensor in tensors]
        own = rebuild(inputs)
        found, make = flatten(graph.capture(lambda: function(*own)))
        numbers = {id(tensor): number for number, tensor in enumerate(inputs)}
        return cls(graph, inputs, [numbers.get(id(tensor), tensor) for tensor in found], make)

    def replay(self, tensors: list[Tensor], kept: bool) -> Any:
        """The call's result for other tensors."""
        for target, source in zip(self.inputs, tensors, strict=True):
            target.copy_(source)
        self.graph.replay()
        results = []
        for output in self.outputs:
            if isinstance(output, int):
                results.append(tensors[output])
            else:
                results.append(output.clone() if kept else output)
        return self.rebuild(results)


class Graphs:
    """The graphs of one lane.

    Args:
        make: makes an empty graph; None where stages are run as they are.
    """

    def __init__(self, make: Callable[[], Graph] | None) -> None:
        self._make = make
        self._known: dict[Any, _Captured | None] = {}
        self._refused: set[str] = set()

    def run(self, name: str, function: Callable[..., Any], *arguments: Any, kept: bool) -> Any:
        """What ``function(*arguments)`` returns.

        Args:
            name: of the stage.
            function: depends on its arguments alone, and leaves them as they are.
            arguments: tensors in tuples, lists and dataclasses; a graph is made for each set of shapes.
            kept: whether the result outlives the next call.
        """
        key = self._key(name, arguments)
        if key is None:
            return function(*arguments)
        if key not in self._known:
            self._known[key] = None  # seen once
            return function(*arguments)
        captured = self._known[key]
        if captured is None:
            captured = self._captured(name, function, arguments)
            if captured is None:
                return function(*arguments)
            self._known[key] = captured
        return captured.replay(flatten(arguments)[0], kept)

    def _key(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What a graph is made for; None where none can be."""
        if self._make is None or name in self._refused:
            return None
        try:
            tensors, rebuild = flatten(arguments)
        except TypeError:
            self._refused.add(name)
            return None
        shapes = tuple((tuple(tensor.shape), tensor.stride(), tensor.dtype) for tensor in tensors)
        return name, shapes, repr(rebuild([None] * len(tensors)))  # type: ignore[list-item]

    def _captured(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Captured | None:
        assert self._make is not None
        try:
            return _Captured.of(self._make(), function, arguments)
        except (RuntimeError, TypeError) as error:
            if is_out_of_memory(error):
                raise
            self._refused.add(name)
            return None
