"""Checkpoints of training runs: written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsvfi.errors import VsvfiError

__all__ = ["CheckpointError", "export_weights", "load_checkpoint", "save_checkpoint"]


PARTS = {"model", "config", "choices", "fine_tuned", "step", "best", "network", "average", "optimizer", "scaler"}
"""What every checkpoint has."""


class CheckpointError(VsvfiError):
    """A checkpoint that could not be written, or is not one of this run."""


def _replace(path: Path, write: Any) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        kept = "; the previous one is untouched" if path.exists() else ""
        raise CheckpointError(f"cannot write checkpoint {path}: {error}{kept}") from error
    finally:
        partial.unlink(missing_ok=True)


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; a full disk or an interruption leaves the previous one as it was.

    Raises:
        CheckpointError: it could not be written.
    """
    _replace(path, lambda file: torch.save(dict(content), file))


def load_checkpoint(path: Path, model: str) -> dict[str, Any]:
    """Read a checkpoint of a training run of ``model``.

    Raises:
        CheckpointError: it is damaged, no training checkpoint, or another model's.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its formats raise
        raise CheckpointError(f"{path} is damaged or no checkpoint: {str(error).splitlines()[0]}") from None
    if (
        not isinstance(content, dict)
        or not {"model", "config", "step", "network", "average", "optimizer"} <= content.keys()
    ):
        raise CheckpointError(f"{path} is not a checkpoint of a training run; weights alone cannot be resumed")
    if content["model"] != model:
        raise CheckpointError(f"{path} is a checkpoint of {content['model']}, not of {model}")
    return content


def export_weights(path: Path, state: Mapping[str, Tensor], *, half: bool, metadata: Mapping[str, str]) -> None:
    """Write weights as safetensors, in fp16 if ``half``."""
    from safetensors.torch import save

    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in state.items()
    }
    _replace(path, lambda file: file.write(save(tensors, dict(metadata))))
