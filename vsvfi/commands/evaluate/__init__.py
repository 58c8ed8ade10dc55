"""The ``vsvfi eval`` command: data sets, metrics, tables."""

from __future__ import annotations

__all__: list[str] = []
