"""What ``core.vsvfi`` offers: the Python functions that the native plugin calls by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vapoursynth as vs

from vsvfi.errors import VsvfiError, error_line, one_line
from vsvfi.filter.enhance import plan_enhance
from vsvfi.filter.plan import plan_interpolate
from vsvfi.filter.windows import detect_scenes
from vsvfi.models.availability import usable_models

__all__ = ["FUNCTIONS"]


def _guarded(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Turn exceptions into the one line that a user reads: an error crossing VapourSynth becomes a whole traceback."""

    def call(**arguments: Any) -> dict[str, Any]:
        try:
            return function(**arguments)
        except vs.Error as error:
            return {"error": f"the clip cannot be read: {_last_line(error)}"}
        except BaseException as error:
            return {"error": error_line(error)}

    return call


def _last_line(error: vs.Error) -> str:
    """The message of an error of VapourSynth: where it is a traceback, its last line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    traceback = any(line.startswith("Traceback") for line in lines)
    return one_line(VsvfiError(lines[-1] if traceback else " ".join(lines)))


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "Interpolate": _guarded(plan_interpolate),
    "Enhance": _guarded(plan_enhance),
    "DetectScenes": _guarded(lambda clip, threshold=None: {"clip": detect_scenes(clip, threshold)}),
    "Models": _guarded(lambda: {"names": usable_models()}),
}
