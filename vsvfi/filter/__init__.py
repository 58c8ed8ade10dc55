"""What ``core.vsvfi`` offers: arguments, the plan of a render, scene detection."""

from __future__ import annotations

__all__: list[str] = []
