"""vsvfi: video frame interpolation for VapourSynth.

Importing this package is cheap: neither torch nor OpenCV nor a model is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsvfi.engine.arrays.interpolator import Interpolator as Interpolator
    from vsvfi.engine.arrays.interpolator import between as between
    from vsvfi.filter.enhance import enhance as enhance
    from vsvfi.filter.interpolate import interpolate as interpolate
    from vsvfi.models.estimators import depth as depth
    from vsvfi.models.estimators import flow as flow

__all__ = ["Interpolator", "__version__", "between", "depth", "enhance", "flow", "interpolate"]

__version__ = "0.1.0"

_LAZY = {
    "Interpolator": "vsvfi.engine.arrays.interpolator",
    "between": "vsvfi.engine.arrays.interpolator",
    "enhance": "vsvfi.filter.enhance",
    "interpolate": "vsvfi.filter.interpolate",
    "flow": "vsvfi.models.estimators",
    "depth": "vsvfi.models.estimators",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
