"""Models on numpy arrays and torch tensors, without VapourSynth."""

from __future__ import annotations

__all__: list[str] = []
