"""What can be wrong with weights."""

from __future__ import annotations

from vsvfi.errors import VsvfiError

__all__ = ["MissingWeightsError", "WeightsError"]


class WeightsError(VsvfiError):
    """Weights that are missing, unreadable, or of another model; the message says what to do."""


class MissingWeightsError(WeightsError):
    """Weights, or a part of them, that were not added; ``command`` adds them."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command
