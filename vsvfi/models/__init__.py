"""What a model is, and which there are."""

from __future__ import annotations

__all__: list[str] = []
