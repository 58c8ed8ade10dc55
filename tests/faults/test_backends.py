"""Models that misbehave, in a real process: one line that names the model, and nothing they made is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from faults.child import Child

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "misbehaving"))
import vsvfi_misbehaving as plugin

NAMES = [info.name for info in plugin.vsvfi_backends()]
HARMLESS = ("planes-keeps-the-planes",)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_does_wrong_is_one_line(child: Child, name: str) -> None:
    outcome = child.run(
        "clip = noise(length=4, form=vs.RGBS)\n"
        f"core.vsvfi.Interpolate(clip, model={name!r}, sc=0, device='cpu').get_frame(1)\n"
    )
    if name in HARMLESS:
        assert outcome.kind == "ok", outcome
        return
    assert outcome.kind == "error", outcome
    assert outcome.is_one_line, outcome
    assert f"model {name!r}" in outcome.text
    outcome.text.encode()


@pytest.mark.parametrize("name", ["planes-writes-nothing", "planes-writes-half", "planes-leaves-a-column"])
@pytest.mark.parametrize("form", ["GRAY8", "YUV420P10", "RGBH", "YUV444P16"])
def test_samples_that_are_not_written_are_found_in_every_format(child: Child, name: str, form: str) -> None:
    outcome = child.run(f"noise(length=4, form=vs.{form}).vsvfi.Interpolate(model={name!r}, sc=0).get_frame(1)")
    assert "did not write all samples of the new frame; this is a bug of that model" in outcome.text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": ()}, "window must be"),
        ({"window": (0,)}, "window must be"),
        ({"window": (0, 2)}, "window must be"),
        ({"window": (1, 2)}, "the middle of window must be 0, 1"),
        ({"window": tuple(range(-5, 7))}, "window must be"),
        ({"timesteps": "sometimes"}, "timesteps must be"),
        ({"multiple": 0}, "multiple must be from 1"),
        ({"minimum": -1}, "minimum must be from 1"),
        ({"spatial_scale": 0}, "spatial_scale must be from 1"),
    ],
)
def test_a_description_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    from vsvfi.models.info import BackendInfo

    with pytest.raises(ValueError, match=message):
        BackendInfo(**{"name": "wrong", "summary": "", "backend": "module:Class", **wrong})  # type: ignore[arg-type]
