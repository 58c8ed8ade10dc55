"""The contract, through vsvfi's own suite, and one number of one's own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from vsvfi_template import INFOS
from vsvfi_template.learned import example

from vsvfi import testing
from vsvfi.models import registry, weights
from vsvfi.testing import planes

CASES = testing.cases(INFOS)


@pytest.mark.parametrize("case", CASES)
def test_conformance(case: str) -> None:
    CASES[case]()


def test_models_are_found() -> None:
    assert {registry.origin(info.name) for info in INFOS} == {"template"}


def test_a_quarter_of_the_way_is_a_quarter_of_the_second_frame() -> None:
    backend = planes.example_backend(registry.find("cross-fade"))
    first, second = planes.example_frame(), planes.example_frame(shift=7)
    result = planes.interpolate(backend, [first, second], Fraction(1, 4))
    for got, a, b in zip(result, first.planes, second.planes, strict=True):
        assert np.abs(got - (0.75 * a + 0.25 * b)).max() <= 0.5


def test_published_weights_are_recognised_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `vsvfi weights add learned-fade.pth` does; the names in the file are not those of the network."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = example("learned-fade")
    ours = network.state_dict()
    names = {"features.0.": "encoder.", "correction.": "head."}
    published = {
        theirs + name.removeprefix(prefix): value
        for name, value in ours.items()
        for prefix, theirs in names.items()
        if name.startswith(prefix)
    }
    torch.save(published, tmp_path / "learned-fade.pth")
    assert weights.add(tmp_path / "learned-fade.pth").model == "learned-fade"
    loaded = weights.load(registry.find("learned-fade")).state_dict()
    assert all(torch.equal(loaded[name], ours[name]) for name in ours)
