"""The contract, through vsvfi's own suite, and one number of one's own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from vsvfi_template import INFOS

from vsvfi import testing
from vsvfi.models import registry
from vsvfi.testing import planes

CASES = testing.cases(INFOS)


@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str) -> None:
    CASES[case]()


def test_models_are_found() -> None:
    assert {registry.origin(info.name) for info in INFOS} == {"template"}


def test_a_quarter_of_the_way_is_a_quarter_of_the_second_frame() -> None:
    backend = planes.example_backend(registry.find("cross-fade"))
    first, second = planes.example_frame(), planes.example_frame(shift=7)
    result = planes.interpolate(backend, [first, second], Fraction(1, 4))
    for got, a, b in zip(result, first.planes, second.planes, strict=True):
        assert np.abs(got - (0.75 * a + 0.25 * b)).max() <= 0.5
