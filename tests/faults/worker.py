"""The process behind child.py: a line of JSON in, code; a line of JSON out, what became of it."""

from __future__ import annotations

import gc
import json
import os
import sys

import clips
import numpy as np
import vapoursynth as vs

# The answers go to a copy of standard output: whatever the code prints ends in standard error.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
NAMES = {name: getattr(clips, name) for name in ("drawn", "noise", "ramp", "without_rate", "planes")}


def run(code: str) -> tuple[str, str]:
    """What becomes of a piece of code."""
    names = {"vs": vs, "core": vs.core, "np": np, "result": "", **NAMES}
    try:
        exec(compile(code, "<code>", "exec"), names)
    except vs.Error as error:
        return "error", str(error)
    except BaseException as error:
        return "error", f"{type(error).__name__} instead of vapoursynth.Error: {error!r}"
    return "ok", str(names["result"])


for line in sys.stdin:
    answer = run(json.loads(line))
    gc.collect()
    ANSWERS.write(json.dumps(answer) + "\n")
    ANSWERS.flush()
