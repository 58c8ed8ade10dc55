"""The stages of the path through a GPU that ``$VSVFI_DISABLE`` can switch off, to find out which one is at fault."""

from __future__ import annotations

import os
from typing import Literal

__all__ = ["STAGES", "Stage", "is_enabled"]

type Stage = Literal["kernels", "lanes", "graphs", "fused"]

STAGES: dict[Stage, str] = {
    "kernels": "compiled kernels of the operators",
    "lanes": "streams of their own, page-locked memory and asynchronous copies",
    "graphs": "CUDA graphs",
    "fused": "weights converted once, and operators that do the work of several",
}
"""What each stage is."""


def is_enabled(stage: Stage) -> bool:
    """Whether a stage is in use: unless ``$VSVFI_DISABLE`` names it (names with commas between them)."""
    return stage not in os.environ.get("VSVFI_DISABLE", "").replace(" ", "").split(",")
