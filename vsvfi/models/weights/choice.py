"""Which files a model runs with: those a user chose, else what was added, else what ships."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsvfi.models.info import BackendInfo, NetworkInfo
from vsvfi.models.weights.errors import MissingWeightsError, WeightsError
from vsvfi.models.weights.reading import read
from vsvfi.models.weights.recognition import assemble
from vsvfi.models.weights.store import Stored, damage, metadata, stored

if TYPE_CHECKING:
    from torch import nn

__all__ = ["bundled", "load", "locate"]


def bundled(info: NetworkInfo) -> Path | None:
    """The weights that ship with the package, if the model has any."""
    if not isinstance(info, BackendInfo) or not info.bundled:
        return None
    from importlib.resources import files

    return Path(str(files(info.build.partition(":")[0].rpartition(".")[0]))) / info.bundled


def locate(info: NetworkInfo, weights: Sequence[str] = ()) -> list[Path]:
    """The files to load for a model, one a part. Touches the file system only: no torch, no network is built.

    Damaged files are passed over unless they were asked for.

    Args:
        info: the model.
        weights: names of added checkpoints, or paths of files; by default the first known checkpoint that was
            added, else any that was added, else the weights that ship with vsvfi.

    Raises:
        WeightsError: none are there, or one of ``weights`` is neither a name nor a file, or is damaged.
    """
    have = stored(info.name)
    paths: list[Path] = []
    given_parts: set[str] = set()
    for choice in weights:
        match = next((entry for entry in have if entry.name == choice), None)
        if match:
            paths.append(_intact(match))
            given_parts.add(match.part)
        elif os.path.isfile(choice):  # noqa: PTH113 (Path.is_file raises for names that are too long)
            paths.append(Path(choice))
        else:
            names = ", ".join(entry.name for entry in have) or "none"
            raise WeightsError(
                f"weights {choice!r} is neither a file nor the name of added weights of {info.name} (added: {names})"
            )
    if weights and len(paths) >= len(info.parts):
        return paths
    order = [checkpoint.name for checkpoint in info.checkpoints]
    for part in info.parts:
        if part in given_parts or (weights and part == ""):
            continue
        own = sorted(
            (entry for entry in have if entry.part == part and not damage(entry.path)),
            key=lambda entry: order.index(entry.name) if entry.name in order else len(order),
        )
        shipped = bundled(info) if part == "" else None
        if own and metadata(own[0].path).get("complete") == "yes":
            return [own[0].path]
        if own:
            paths.append(own[0].path)
        elif shipped is not None and shipped.is_file():
            paths.append(shipped)
        elif part == "" or not weights:
            raise _missing(info, part, [entry for entry in have if entry.part == part])
    return paths


def _intact(entry: Stored) -> Path:
    wrong = damage(entry.path)
    if wrong:
        raise WeightsError(f"{entry.path} is damaged ({wrong}); add it again: vsvfi weights add {entry.model} FILE")
    return entry.path


def _missing(info: NetworkInfo, part: str, damaged: Sequence[Stored]) -> MissingWeightsError:
    checkpoint = next((checkpoint for checkpoint in info.checkpoints if checkpoint.part == part), None)
    what = f"the {part} part of the weights" if part else "weights"
    where = f", published at {checkpoint.url}" if checkpoint else ""
    owner = info.weights_of or info.name
    command = f"vsvfi weights add {owner} {checkpoint.file if checkpoint else 'FILE'}"
    if checkpoint and checkpoint.places:
        command = f"vsvfi weights get {owner}"
    need = f"model {info.name!r} needs {what}"
    if damaged:
        need += f" ({damaged[0].path} is damaged: {damage(damaged[0].path)})"
    if info.recipe and not info.checkpoints:
        where = f", and none are published: train it (vsvfi train {owner} --config FILE, see docs/training.md), then"
        return MissingWeightsError(f"{need}{where} add them with: {command}", command)
    verb = "get" if checkpoint and checkpoint.places else "add"
    return MissingWeightsError(f"{need}{where}; {verb} them with: {command}", command)


def load(info: NetworkInfo, weights: Sequence[str] = ()) -> nn.Module:
    """The network of a model with its weights; see `locate` for the choice and `assemble` for the checks."""
    return assemble(info, [read(path) for path in locate(info, weights)])
