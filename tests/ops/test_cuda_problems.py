"""What is said, and done, where CuPy is there and does not work."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
import torch

from vsvfi.ops import _cuda, _launch


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    caches = (_cuda.problem, _launch._missing, _launch._advise)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_a_cupy_that_imports_and_then_fails_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(device: torch.device) -> None:
        raise RuntimeError("CUDARuntimeError: cudaErrorInsufficientDriver:\n driver version is insufficient")

    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setattr(_cuda, "_try", fail)
    problem = _cuda.problem(0)
    assert problem is not None
    assert "driver version is insufficient" in problem
    assert "\n" not in problem


def test_without_cupy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "vsvfi[cuda]" in (_cuda.problem(0) or "")


def test_a_cupy_that_works_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[torch.device] = []
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setattr(_cuda, "_try", tried.append)
    assert _cuda.problem(1) is None
    assert tried == [torch.device("cuda", 1)]


def test_kernels_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSVFI_DISABLE", "graphs, kernels")
    with pytest.warns(RuntimeWarning, match="VSVFI_DISABLE"):
        assert not _launch.has_kernels(torch.zeros(1, 1, 2, 2))
