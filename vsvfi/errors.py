"""The errors that users meet, and the one line that says what went wrong. Neither torch nor vapoursynth here."""

from __future__ import annotations

import os
import traceback

__all__ = ["EXTRAS", "VsvfiError", "error_line", "missing_package", "one_line"]


class VsvfiError(ValueError):
    """What is wrong with what a user asked for: what was got, what is allowed, what to do."""


EXTRAS = {"torch": "torch", "cv2": "torch", "cupy": "cuda", "matplotlib": "train", "tensorboard": "train"}
"""Packages that vsvfi imports but does not install by default, and the extra of vsvfi that brings each."""


def missing_package(error: BaseException) -> str:
    """What to install where an optional package could not be imported, as one line; empty for any other error."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"this needs the package {name}: pip install 'vsvfi[{EXTRAS[name]}]'" if name in EXTRAS else ""


def one_line(error: BaseException) -> str:
    """An error as one line of printable text: the message where it is ours, else its type and its message."""
    text = _printable(error)
    if isinstance(error, VsvfiError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def error_line(error: BaseException, context: str = "") -> str:
    """The line that a user reads, after ``context`` and the error's notes where it is unexpected.

    What is wrong with a file is told by its name. Any other error that is not a `VsvfiError` is a bug, ours or a third
    party's: ``VSVFI_DEBUG=1`` prints its traceback.
    """
    if isinstance(error, VsvfiError):
        return one_line(error)
    if missing_package(error):
        return missing_package(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{_printable(str(error.filename))}: {error.strerror}"
    if os.environ.get("VSVFI_DEBUG"):
        traceback.print_exception(error)
    where = "".join(f"{text}: " for text in (context, *getattr(error, "__notes__", ())) if text)
    if isinstance(error, MemoryError):
        return f"{where}out of memory"
    return f"{where}{one_line(error)} (VSVFI_DEBUG=1 shows where)"


def _printable(error: object) -> str:
    try:
        text = str(error)
    except Exception:  # a third party's exception may fail to describe itself
        return "(an error without a readable message)"
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
