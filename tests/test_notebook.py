"""The notebook of the examples runs from top to bottom, and shows what its text says."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "arrays.ipynb"
CELLS = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), "a cell ends with what it shows"
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def test_notebook_runs() -> None:
    pytest.importorskip("torch")
    names: dict[str, Any] = {}
    shown = [run(cell, names) for cell in CELLS]
    form, (left, right), quarters, count, four, tensor = shown
    assert (form[0], form[1].name) == ((96, 160, 3), "uint8")
    assert (abs(left - 48), abs(right - 79)) <= (2, 2)
    assert quarters == (3, 96, 160, 3)
    assert count == 17
    assert four == (96, 160, 3)
    assert tuple(tensor) == (3, 96, 160)
