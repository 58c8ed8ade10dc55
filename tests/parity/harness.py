"""What a recorded case is, and when two results agree (see the README beside the cases)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

type Arrays = Mapping[str, NDArray[Any]]
type Results = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """The arrays of one recorded case, as tensors, with its network's spec."""

    spec: Mapping[str, Any]
    arrays: Arrays

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def number(self, name: str) -> float:
        """A recorded scalar."""
        return float(np.asarray(self.arrays[name]).reshape(-1)[0])


type Runner = Callable[[nn.Module, Case], Results]
type OperatorRunner = Callable[[Case], Results]

NETWORKS: dict[str, tuple[str, Runner]] = {}
"""Folder name -> (model name in vsvfi, how its network is called on a case)."""

OPERATORS: dict[str, OperatorRunner] = {}
"""Folder name -> how the operator is called on a case."""


def network(folder: str, model: str) -> Callable[[Runner], Runner]:
    """Register how the network called ``model`` in vsvfi runs the cases of ``folder``."""

    def register(run: Runner) -> Runner:
        NETWORKS[folder] = (model, run)
        return run

    return register


def operator(folder: str) -> Callable[[OperatorRunner], OperatorRunner]:
    """Register how an operator runs the cases of ``folder``; gradients are returned as ``grad_<input>``."""

    def register(run: OperatorRunner) -> OperatorRunner:
        OPERATORS[folder] = run
        return run

    return register


@cache
def recipe(folder: Path) -> ModuleType:
    """The weight recipe that lies beside the cases."""
    spec = importlib.util.spec_from_file_location("vsvfi_parity_recipe", folder / "recipe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_case(path: Path) -> Case:
    """Read a case and its folder's spec."""
    spec = json.loads((path.parent / "spec.json").read_text())
    with np.load(path) as arrays:
        return Case(spec, dict(arrays))


def compare(case: Case, results: Results) -> None:
    """Assert that ``results`` hold every recorded output and gradient, and agree wherever both have an array."""
    checked = 0
    for name, rule in case.spec["arrays"].items():
        if name not in case.arrays:
            continue
        role = rule["role"]
        if role in ("output", "gradient"):
            assert name in results, f"recorded {role} {name} was not computed"
        if role not in ("output", "gradient", "intermediate") or name not in results:
            continue
        recorded = np.asarray(case.arrays[name], dtype=np.float64)
        ours = results[name].detach().to(torch.float64).numpy()
        assert ours.shape == recorded.shape, f"{name}: expected shape {recorded.shape}, got {ours.shape}"
        mask_name = rule.get("mask")
        mask = np.broadcast_to(np.asarray(case.arrays[mask_name]) if mask_name else 1, recorded.shape)
        finite = np.isfinite(recorded) & np.isfinite(ours)
        same = finite | (np.isnan(recorded) & np.isnan(ours)) | (recorded == ours) | (mask == 0)
        assert same.all(), f"{name}: {int((~same).sum())} non-finite values differ"
        allowed = rule.get("tolerance", case.spec.get("tolerance"))
        scale = 1 + np.abs(recorded) if rule.get("relative") else 1.0
        with np.errstate(invalid="ignore"):
            error = np.where(finite, np.abs(ours - recorded) * mask, 0) / scale
        assert error.max(initial=0) <= allowed, f"{name}: error {error.max():.3g} exceeds {allowed:.3g}"
        checked += 1
    assert checked > 0, "the case has no array to compare"
