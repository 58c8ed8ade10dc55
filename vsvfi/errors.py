"""The one error that users meet."""

from __future__ import annotations

__all__ = ["VsvfiError"]


class VsvfiError(ValueError):
    """What is wrong with what a user asked for: what was got, what is allowed, what to do."""
