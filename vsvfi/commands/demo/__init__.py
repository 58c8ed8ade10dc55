"""The ``vsvfi demo`` command: a moving scene with known truth, rendered and shown."""

from __future__ import annotations

__all__: list[str] = []
