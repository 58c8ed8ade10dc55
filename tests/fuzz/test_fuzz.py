"""Random calls and damaged files: a result or one line, never a crash, a hang or a traceback.

``VSVFI_FUZZ`` is the number of random calls of the filter (120 by default), a fifth of it that of damaged weights;
``python3 dev.py fuzz --minutes N`` runs many more, with other seeds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.child import Child
from fuzz.calls import calls
from fuzz.weights import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALLS = int(os.environ.get("VSVFI_FUZZ", "120"))
BINDINGS = ("OverflowError instead", "UnicodeEncodeError instead", "TypeError instead", "ValueError instead")
"""What VapourSynth's Python module raises itself, before anything of ours is called."""

FUZZING = settings(
    deadline=None,
    derandomize="VSVFI_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A process that runs what is made up."""
    with Child(tmp_path_factory.mktemp("fuzz"), OMP_NUM_THREADS="1") as child:
        yield child


@settings(FUZZING, max_examples=CALLS)
@given(code=calls())
def test_any_call_gives_a_result_or_one_line(child: Child, code: str) -> None:
    outcome = child.run(code)
    assert outcome.kind in ("ok", "error"), f"{outcome}\n{code}"
    refused_by_python = outcome.text.startswith(BINDINGS)
    if outcome.kind == "error" and not refused_by_python:
        assert "instead of vapoursynth.Error" not in outcome.text, f"{outcome}\n{code}"
        assert "VSVFI_DEBUG" not in outcome.text, f"{outcome}\n{code}"
        assert len(outcome.text.strip().splitlines()) == 1, f"{outcome}\n{code}"


@settings(FUZZING, max_examples=max(1, CALLS // 5))
@given(data=st.data())
def test_any_damaged_weights_are_one_line(
    child: Child, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content, suffix = data.draw(damaged())
    path: Path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content)
    outcome = child.run(
        f"core.std.BlankClip(length=2).vsvfi.Interpolate(model='sepconv', weights={str(path)!r}, device='cpu')"
    )
    assert outcome.kind == "error", outcome
    assert outcome.is_one_line, outcome
    assert "VSVFI_DEBUG" not in outcome.text, outcome
