"""Padding: the smallest that a network can take, and where it belongs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vsvfi.models.padding import padding


@given(length=st.integers(1, 5000), multiple=st.integers(1, 256), minimum=st.integers(1, 300))
def test_padding_is_the_smallest_that_fits(length: int, multiple: int, minimum: int) -> None:
    before, after = padding(length, multiple=multiple, minimum=minimum)
    padded = before + length + after
    assert before == 0
    assert padded % multiple == 0
    assert padded >= minimum
    assert padded - multiple < max(length, minimum)
    left, right = padding(length, multiple=multiple, minimum=minimum, where="center")
    assert left + right == after
    assert right - left in (0, 1)
