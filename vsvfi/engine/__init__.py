"""What drives a model: frames in and out, colour, caches, tiles, networks."""

from __future__ import annotations

__all__: list[str] = []
