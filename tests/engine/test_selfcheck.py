"""The fast form of a model is used only where it gives what the plain one gives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.graphs import CpuGraph
from vsvfi.engine.lanes import CpuStream
from vsvfi.engine.selfcheck import is_trusted
from vsvfi.models import registry
from vsvfi.testing.networks import example_backend

STREAM = CpuStream(torch.device("cpu"))


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return example_backend(registry.find("ifrnet-s"))


def test_the_fast_form_is_trusted_where_it_agrees(backend: TorchBackend) -> None:
    said: list[str] = []
    fast = backend.fused(torch.float32)
    assert fast is not None
    assert is_trusted(backend, fast, torch.float32, STREAM, CpuGraph, said.append)
    assert said == []


@pytest.mark.parametrize("fault", ["brighter", "raises", "nan"])
def test_it_is_not_where_it_differs_and_one_line_says_so(backend: TorchBackend, fault: str) -> None:
    class Faulty(type(backend)):  # type: ignore[misc]
        def synthesize(self, state: object, timesteps: Tensor) -> Tensor:
            if fault == "raises":
                raise RuntimeError("CUDA_ERROR_INVALID_PTX:\n a kernel does not load")
            made: Tensor = super().synthesize(state, timesteps)
            return made + 0.1 if fault == "brighter" else made * float("nan")

    faulty = copy.copy(backend)
    faulty.__class__ = Faulty
    said: list[str] = []
    assert not is_trusted(backend, faulty, torch.float32, STREAM, None, said.append)
    assert len(said) == 1
    assert "plain form" in said[0]
    assert "\n" not in said[0]
