"""Lanes and graphs, through their twins on a CPU: who waits for whom, and that graphs change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from vsvfi.engine.graphs import CpuGraph, Graph, Graphs, flatten
from vsvfi.engine.lanes import CpuStream, Lane

CPU = torch.device("cpu")


class Recorder(CpuStream):
    """Notes what is asked of the stream; marks are numbers."""

    def __init__(self, log: list[str], name: str) -> None:
        super().__init__(CPU)
        self.log, self.name = log, name

    def mark(self) -> Any:
        self.log.append(f"{self.name} marks")
        return f"{self.name}'s mark"

    def wait_for(self, mark: Any) -> None:
        self.log.append(f"{self.name} waits for {mark}")

    def finish(self) -> None:
        self.log.append(f"{self.name} finishes")


def test_a_lane_waits_for_what_another_has_made_and_not_for_itself() -> None:
    log: list[str] = []
    first, second = Lane(Recorder(log, "a")), Lane(Recorder(log, "b"))
    made = first.made(torch.ones(1))
    assert first.use(made) is second.use(made)
    assert log == ["a marks", "b waits for a's mark"]


def test_memory_is_given_again_after_clearing_and_not_before() -> None:
    lane = Lane(CpuStream(CPU))
    one, two = lane.memory(8, torch.uint8), lane.memory(8, torch.uint8)
    assert one.data_ptr() != two.data_ptr()
    lane.clear()
    again = {lane.memory(8, torch.uint8).data_ptr() for _ in range(2)}
    assert again == {one.data_ptr(), two.data_ptr()}


def test_what_a_lane_uses_lives_until_it_is_cleared() -> None:
    import weakref

    lane = Lane(CpuStream(CPU))
    tensor = torch.ones(1)
    alive = weakref.ref(tensor)
    lane.use(lane.made(tensor))
    del tensor
    assert alive() is not None
    lane.clear()
    assert alive() is None


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class State:
    pair: Pair
    rest: tuple[list[Tensor], float, None]


def test_flatten_puts_tensors_back_in_their_places() -> None:
    tensors = [torch.full((1,), float(number)) for number in range(3)]
    state = State(Pair(tensors[0], tensors[1]), ([tensors[2]], 0.5, None))
    found, rebuild = flatten(state)
    assert all(ours is theirs for ours, theirs in zip(found, tensors, strict=True))
    assert rebuild([x + 10 for x in found]) == State(
        Pair(torch.full((1,), 10.0), torch.full((1,), 11.0)), ([torch.full((1,), 12.0)], 0.5, None)
    )


def test_flatten_refuses_what_it_cannot_look_into() -> None:
    with pytest.raises(TypeError, match="object"):
        flatten((torch.ones(1), object()))


def double(values: Sequence[Tensor], factor: float) -> Pair:
    return Pair(values[0] * factor, values[0])


@pytest.mark.parametrize("kept", [True, False])
def test_a_graph_gives_what_the_call_gives(kept: bool) -> None:
    graphs = Graphs(CpuGraph)
    for size in (3, 4, 3):
        for value in range(5):
            given = torch.full((size,), float(value))
            result = graphs.run("stage", double, [given], 2.0, kept=kept)
            assert torch.equal(result.first, given * 2)
            assert torch.equal(result.second, given)


def test_kept_results_outlive_the_next_call() -> None:
    graphs = Graphs(CpuGraph)
    results = [graphs.run("stage", double, [torch.full((2,), float(n))], 2.0, kept=True) for n in range(5)]
    assert [result.first[0].item() for result in results] == [0, 2, 4, 6, 8]
    assert [result.second[0].item() for result in results] == [0, 1, 2, 3, 4]


def test_another_plain_value_is_another_graph() -> None:
    graphs = Graphs(CpuGraph)
    for factor in (2.0, 3.0) * 4:
        assert graphs.run("stage", double, [torch.ones(1)], factor, kept=False).first.item() == factor


class Refusing(Graph):
    """Cannot capture anything, as a GPU cannot where a stage asks for values."""

    tries = 0

    def capture(self, function: Any) -> Any:
        Refusing.tries += 1
        raise RuntimeError("operation not permitted when stream is capturing")

    def replay(self) -> None:
        raise AssertionError("nothing was captured")


def test_a_stage_that_cannot_be_captured_is_tried_once_and_stays_as_it_is() -> None:
    graphs = Graphs(Refusing)
    for value in range(5):
        assert graphs.run("stage", double, [torch.full((1,), float(value))], 2.0, kept=False).first.item() == 2 * value
    assert Refusing.tries == 1


def test_without_a_maker_stages_are_run_as_they_are() -> None:
    given = torch.ones(1)
    assert Graphs(None).run("stage", lambda x: x, given, kept=True) is given
