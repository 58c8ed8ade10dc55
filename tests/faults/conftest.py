"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.child import Child


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A process that runs the module's code."""
    with Child(tmp_path_factory.mktemp("child")) as child:
        yield child
