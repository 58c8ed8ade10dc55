"""What a new frame asks of a GPU stays within what has been recorded, and within what it should be."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vsvfi.models import registry

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
RECORDED: dict[str, dict[str, Any]] = json.loads((BENCHMARKS / "results" / "counts.json").read_text())["models"]

MOST = {"rife-4.26": (200, 4e9), "ifrnet": (200, 5e9)}
"""Operations and bytes of a new frame of 1920x1080."""

YUV420P8 = 1920 * 1080 * 3 // 2


@pytest.fixture(scope="module")
def counts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("counts", BENCHMARKS / "counts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["counts"] = module  # which dataclasses look for
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", RECORDED)
def test_a_frame_needs_no_more_than_recorded(counts: ModuleType, model: str) -> None:
    info = registry.backends().get(model)
    if info is None:
        pytest.skip(f"{model} is in a package that is not here")
    found = counts.count(info, 1920, 1080)
    recorded = RECORDED[model]
    assert found.operations <= recorded["operations"]
    assert found.bytes <= 1.01 * recorded["bytes"]
    assert found.waits <= 1
    assert found.host_bytes_in == found.host_bytes_out == YUV420P8
    operations, moved = MOST.get(model, (10**6, 1e12))
    assert found.operations <= operations
    assert found.bytes <= moved
