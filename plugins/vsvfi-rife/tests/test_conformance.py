"""Every network of RIFE 4 keeps vsvfi's contract, on small untrained weights."""

from __future__ import annotations

import pytest
from vsvfi_rife.versions import ARCHITECTURES, INFOS, model_name

from vsvfi import testing
from vsvfi.models.info import BackendInfo

# One version of each network: the others differ in their published numbers only.
DISTINCT = {model_name(versions[-1]) for versions in ARCHITECTURES}
CASES = testing.cases((info for info in INFOS if info.name in DISTINCT), compiled=("rife-4.26",))


@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str) -> None:
    """A version keeps the contract."""
    CASES[case]()


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
def test_description(info: BackendInfo) -> None:
    """What every version says of itself is complete, those that share a network included."""
    testing.check_description(info)
