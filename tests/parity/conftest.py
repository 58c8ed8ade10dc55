"""Finds the recorded cases of the reference implementations.

`$VSVFI_PARITY_DIR`, or ``../shared/parity`` beside the checkout, holds one folder a network or operator.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "parity"


def parity_dir() -> Path | None:
    """The folder of cases, or None where there is none."""
    folder = Path(os.environ.get("VSVFI_PARITY_DIR", DEFAULT))
    return folder if folder.is_dir() else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test with a ``parity_case`` argument one run for each recorded case."""
    if "parity_case" not in metafunc.fixturenames:
        return
    folder = parity_dir()
    if folder is None:
        reason = "no recorded cases: set VSVFI_PARITY_DIR to their folder"
        metafunc.parametrize("parity_case", [pytest.param(None, marks=pytest.mark.skip(reason=reason))])
        return
    paths = sorted(folder.glob("*/case_*.npz"))
    metafunc.parametrize("parity_case", paths, ids=[f"{path.parent.name}-{path.stem}" for path in paths])
