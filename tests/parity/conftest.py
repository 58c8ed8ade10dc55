"""Finds the recorded cases of the reference implementations: one folder a network or operator.

They lie under `$VSVFI_PARITY_DIR`, by default ``../shared/parity`` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "parity"
NO_CASES = "no recorded cases: set VSVFI_PARITY_DIR to their folder"


def case_folders() -> list[Path]:
    """Every folder that holds recorded cases."""
    root = Path(os.environ.get("VSVFI_PARITY_DIR", DEFAULT))
    return [spec.parent for spec in sorted(root.glob("*/spec.json"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each recorded case (``case_path``) or for each folder of cases (``case_folder``)."""
    folders = case_folders()
    for argument, paths in {
        "case_path": [path for folder in folders for path in sorted(folder.glob("case_*.npz"))],
        "case_folder": folders,
    }.items():
        if argument not in metafunc.fixturenames:
            continue
        if not paths:
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=NO_CASES))])
            continue
        ids = [f"{path.parent.name}-{path.stem}" if path.is_file() else path.name for path in paths]
        metafunc.parametrize(argument, paths, ids=ids)
