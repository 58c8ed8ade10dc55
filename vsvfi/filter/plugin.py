"""What ``core.vsvfi`` offers: the Python functions that the native plugin asks for by name."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any

import vapoursynth as vs

from vsvfi.errors import VsvfiError
from vsvfi.filter.plan import plan_interpolate
from vsvfi.filter.windows import detect_scenes
from vsvfi.models.availability import usable_models
from vsvfi.models.registry import UnknownModelError
from vsvfi.models.weights import WeightsError

__all__ = ["FUNCTIONS"]

_USER_ERRORS = (VsvfiError, UnknownModelError, WeightsError)


def _guarded(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Turn exceptions into the one line that a user reads: an error crossing VapourSynth becomes a whole traceback."""

    def call(**arguments: Any) -> dict[str, Any]:
        try:
            return function(**arguments)
        except _USER_ERRORS as error:
            return {"error": str(error)}
        except vs.Error as error:
            return {"error": f"the clip cannot be read: {error}"}
        except Exception as error:
            if os.environ.get("VSVFI_DEBUG"):
                traceback.print_exc()
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())} (VSVFI_DEBUG=1 shows where)"}

    return call


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "Interpolate": _guarded(plan_interpolate),
    "DetectScenes": _guarded(lambda clip, threshold=None: {"clip": detect_scenes(clip, threshold)}),
    "Models": _guarded(lambda: {"names": usable_models()}),
}
