"""Estimators used alone: what they are called on, and what a user without weights is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vsvfi
from vsvfi.models.estimators import Estimator
from vsvfi.models.info import EstimatorInfo, load_object
from vsvfi.models.registry import UnknownModelError, networks
from vsvfi.models.weights import WeightsError

SEEN: list[tuple[int, ...]] = []


def columns(_network: nn.Module, frame0: Tensor, frame1: Tensor) -> Tensor:
    """An estimator that returns the first frame's red channel twice and notes the size it was given."""
    SEEN.append(tuple(frame0.shape))
    assert frame0.shape == frame1.shape
    return frame0[:, :1].repeat(1, 2, 1, 1)


def made(**sizes: Any) -> Estimator:
    """An estimator around `columns`."""
    SEEN.clear()
    sys.modules.setdefault("test_estimators", sys.modules[__name__])
    info = EstimatorInfo(name="columns", summary="-", task="flow", estimate="test_estimators:columns", **sizes)
    return Estimator(info, nn.Module())


@pytest.mark.parametrize(
    ("sizes", "given", "padded"),
    [
        ({"multiple": 8}, (16, 24), (16, 24)),
        ({"multiple": 8}, (17, 23), (24, 24)),
        ({"multiple": 8, "padding": "center"}, (17, 23), (24, 24)),
        ({"multiple": 8, "minimum": 30}, (5, 7), (32, 32)),
    ],
)
def test_padding_is_undone(sizes: dict[str, object], given: tuple[int, int], padded: tuple[int, int]) -> None:
    """The network sees sizes it can take, by replication; the caller gets its own size back, in place."""
    frame = torch.rand(2, 3, *given)
    result = made(**sizes)(frame, frame)
    assert [(2, 3, *padded)] == SEEN
    torch.testing.assert_close(result, frame[:, :1].repeat(1, 2, 1, 1), atol=0, rtol=0)


def test_wrong_frames_are_refused() -> None:
    """The number and the shapes of the frames are named."""
    estimator = made()
    with pytest.raises(TypeError, match=r"columns takes 2 frame\(s\), got 1"):
        estimator(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"of one shape, got \(1, 3, 8, 8\), \(1, 3, 8, 9\)"):
        estimator(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"got \(3, 8, 8\), \(3, 8, 8\)"):
        estimator(torch.zeros(3, 8, 8), torch.zeros(3, 8, 8))


def test_unknown_name_lists_the_known_closest_first() -> None:
    """Also where the name is that of an estimator of something else."""
    with pytest.raises(UnknownModelError, match=r"unknown flow estimator 'pwc'; known, closest first: pwcnet, "):
        vsvfi.flow("pwc")
    with pytest.raises(UnknownModelError, match="unknown flow estimator 'megadepth'"):
        vsvfi.flow("megadepth")


def test_missing_weights_are_an_error_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is built for that."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    with pytest.raises(WeightsError, match=r"vsvfi weights add pwcnet pwc_net\.pth\.tar"):
        vsvfi.flow("pwcnet")


def test_what_estimators_name_is_there() -> None:
    """The functions that an estimator's description points to exist."""
    estimators = [info for info in networks().values() if isinstance(info, EstimatorInfo)]
    assert {"flownets", "megadepth", "pwcnet"} <= {info.name for info in estimators}
    for info in estimators:
        assert not info.build or callable(load_object(info.build)), info.name
        assert callable(load_object(info.estimate)), info.name
        assert info.frames == (2 if info.task == "flow" else 1)
