"""What a recorded case is, and when two results agree (see the README beside the cases)."""

from __future__ import annotations

import importlib
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
from torch import Tensor

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


type Runner = Callable[[Any, Case], Results]
"""It reads the parts of a network that the cases record, whatever they are."""

type OperatorRunner = Callable[[Case], Results]

RUNNERS = Path(__file__).parent / "runners"


@dataclass(frozen=True)
class NetworkRunner:
    """How a network runs on the cases of a folder, and what it is called in vsvfi."""

    model: str
    run: Runner


def runner(folder: str) -> NetworkRunner | OperatorRunner:
    """What runs the cases of a folder: from the module in runners/ that has its name.

    A family shares a module that is named as its folders begin: ``amt_s`` and ``amt_g`` run by ``amt``. The longest
    such name wins. The module has ``MODELS``, folder name -> model, and ``run``; that of the operators ``RUNNERS``.
    """
    words = folder.split("_")
    names = ("_".join(words[:length]) for length in range(len(words), 0, -1))
    name = next((name for name in names if (RUNNERS / f"{name}.py").is_file()), None)
    if name is None:
        raise LookupError(f"no module in {RUNNERS} runs the cases of {folder}")
    module = importlib.import_module(f"runners.{name}")
    found = module.RUNNERS if name == "op" else module.MODELS
    if folder not in found:
        raise LookupError(f"{module.__file__} runs {', '.join(found)}, not {folder}")
    return found[folder] if name == "op" else NetworkRunner(found[folder], module.run)


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
