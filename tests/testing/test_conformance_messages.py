"""A failing check of the conformance kit says what was got, what was expected, and why."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vsvfi.backends.base import TorchBackend
from vsvfi.models.info import BackendInfo, PlaneFrame
from vsvfi.testing import check_description, networks, planes


class Sound(TorchBackend):
    """Fades, as it should."""

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Any:
        return window

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        t = timesteps.view(-1, 1, 1, 1)
        faded: Tensor = (1 - t) * state[0] + t * state[1]
        return faded


class Narrow(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, timesteps)[..., :-1]


class Single(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, timesteps[:1])


class Bytes(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, timesteps).to(torch.uint8)


class Pair(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Any:
        return super().synthesize(state, timesteps), None


class Broken(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, timesteps) / 0 * 0


class InPlace(Sound):
    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Any:
        window[0].mul_(0.5)
        return window


class Timeless(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, torch.full_like(timesteps, 0.5))


class Mixing(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        return super().synthesize(state, (timesteps + timesteps.mean()) / 2)


class Random(Sound):
    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        made = super().synthesize(state, timesteps)
        return made + 1e-3 * torch.rand_like(made)


class Coarse(Sound):
    """Far off in half precision."""

    def synthesize(self, state: Any, timesteps: Tensor) -> Tensor:
        made = super().synthesize(state, timesteps)
        return made / 2 if torch.is_autocast_enabled("cpu") else made


class Planes:
    """Fades planes, but not all of them."""

    def __init__(self, info: BackendInfo, options: object) -> None:
        pass

    def encode(self, frame: PlaneFrame) -> None:
        pass

    def prepare(self, window: Sequence[PlaneFrame], encoded: Sequence[None]) -> Sequence[PlaneFrame]:
        return window

    def synthesize(self, state: Sequence[PlaneFrame], timestep: Fraction, out: Sequence[np.ndarray[Any, Any]]) -> None:
        out[0][:-1] = state[0].planes[0][:-1]


sys.modules.setdefault("conformance_misfits", sys.modules[__name__])


def info(backend: type, **more: Any) -> BackendInfo:
    return BackendInfo(
        name="misfit", summary="for tests", backend=f"conformance_misfits:{backend.__name__}", **{"multiple": 8} | more
    )


@pytest.mark.parametrize(
    ("backend", "check", "message"),
    [
        (
            Narrow,
            networks.check_shapes,
            r"synthesize returned \(1, 3, 32, 39\), expected \(1, 3, 32, 40\): a frame",
        ),
        (Single, networks.check_timesteps, r"synthesize returned \(1, 3, 32, 40\), expected \(3, 3, 32, 40\)"),
        (Bytes, networks.check_shapes, r"synthesize returned torch.uint8, expected floating point"),
        (Pair, networks.check_shapes, r"synthesize returned a tuple, expected a tensor \(1, 3, 32, 40\)"),
        (Broken, networks.check_shapes, r"synthesize returned NaN or infinity at 3840 places"),
        (InPlace, networks.check_shapes, "frame 0 of the window was changed in place; .* work on a copy"),
        (Timeless, networks.check_timesteps, "frames at 0.25 and 0.8 are the same: .* timesteps='midpoint'"),
        (Mixing, networks.check_timesteps, "at 0.25 the frame of a batch .* expected at most .* first dimension"),
        (Random, networks.check_deterministic, "changed by up to .* expected the same bits: .* or is random"),
        (Coarse, networks.check_low_precision, r"under torch.float16 .* expected below 0.02: .* float16 is not supp"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_messages(backend: type, check: Callable[[BackendInfo], None], message: str) -> None:
    check(info(Sound))
    with pytest.raises(AssertionError, match=message):
        check(info(backend))


def test_messages_for_planes() -> None:
    with pytest.raises(AssertionError, match=r"synthesize left .* samples of plane 0 unwritten: fill all of out"):
        planes.check_formats(info(Planes, planes=True))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"title": "https://arxiv.org/abs/1"}, "title is the paper's title, not an address, got 'https"),
        ({"arxiv": "abs/2304.09790", "title": "A"}, "arxiv is a number such as 2304.09790, got 'abs/2304.09790'"),
        ({"arxiv": "2304.09790"}, "the title of the paper is missing"),
    ],
)
def test_messages_about_the_description(more: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_description(info(Sound, **more))
