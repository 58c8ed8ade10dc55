"""The errors that users meet, and the one line that says what went wrong. Neither torch nor vapoursynth here."""

from __future__ import annotations

import os
import traceback

__all__ = ["VsvfiError", "error_line", "one_line"]


class VsvfiError(ValueError):
    """What is wrong with what a user asked for: what was got, what is allowed, what to do."""


def one_line(error: BaseException) -> str:
    """An error as one line of printable text: the message where it is ours, else its type and its message."""
    text = _printable(error)
    if isinstance(error, VsvfiError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def error_line(error: BaseException, context: str = "") -> str:
    """The line that a user reads, after ``context`` where the error is unexpected.

    An error that is not a `VsvfiError` is a bug, ours or a third party's: ``VSVFI_DEBUG=1`` prints its traceback.
    """
    if isinstance(error, VsvfiError):
        return one_line(error)
    if os.environ.get("VSVFI_DEBUG"):
        traceback.print_exception(error)
    where = f"{context}: " if context else ""
    return f"{where}{one_line(error)} (VSVFI_DEBUG=1 shows where)"


def _printable(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a third party's exception may fail to describe itself
        return "(an error without a readable message)"
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
