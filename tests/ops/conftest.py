"""Where the operators' tests run."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def device() -> str:
    """The device of this run; tests/gpu runs the same tests on CUDA."""
    return "cpu"
