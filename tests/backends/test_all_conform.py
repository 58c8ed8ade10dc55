"""The conformance suite over every built-in backend, on small untrained networks."""

from __future__ import annotations

import pytest

from vsvfi import testing
from vsvfi.models import registry

# One of each kind: refined features, attention, separable kernels, projected flow with adaptive kernels.
COMPILED = ("ifrnet-s", "ema-vfi-small", "sepconv", "memc-net")

# Plugins that happen to be installed have tests of their own.
BUILT_IN = [info for name, info in registry.backends().items() if registry.origin(name) == "built-in"]
CASES = testing.cases(BUILT_IN, compiled=COMPILED)


@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str) -> None:
    """A backend keeps the contract."""
    CASES[case]()
