"""Every call into compiled code, through ctypes: plain arrays in, plain arrays out."""

from __future__ import annotations

__all__: list[str] = []
