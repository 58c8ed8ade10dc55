"""Operators that do the work of several: their kernels against plain torch."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from vsvfi import ops
from vsvfi.ops import LevelEstimate, _launch

pyramid = importlib.import_module("vsvfi.ops.pyramid")
refinement = importlib.import_module("vsvfi.ops.refinement")
activation = importlib.import_module("vsvfi.ops.bias_activation")

HEIGHT, WIDTH = 64, 96


def random(*shape: int, seed: int = 0, last: bool = False) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return made.contiguous(memory_format=torch.channels_last) if last else made


def estimates(count: int, levels: int, size: float) -> list[LevelEstimate]:
    """Before and after a pixel shuffle, in both memory formats."""
    made = [
        LevelEstimate(random(count, 52, HEIGHT // 32, WIDTH // 32, seed=1, last=True), 16, True),
        LevelEstimate(random(count, 13, HEIGHT // 8, WIDTH // 8, seed=2), 8, False),
        LevelEstimate(random(count, 52, HEIGHT // 2, WIDTH // 2, seed=3), 1, True),
    ]
    return [estimate._replace(tensor=estimate.tensor * size) for estimate in made[:levels]]


def two(channels: int) -> tuple[Tensor, Tensor]:
    return random(1, channels, HEIGHT, WIDTH, seed=4), random(1, channels, HEIGHT, WIDTH, seed=5, last=True)


# Flows of some pixels, and flows that leave the frame.
@pytest.mark.parametrize("size", [0.1, 20.0])
@pytest.mark.parametrize("levels", range(4))
@pytest.mark.parametrize("scale", [1, 2, 16])
@pytest.mark.parametrize(("count", "sums_masks"), [(1, False), (3, True)])
def test_a_level_sees_what_whole_frames_would_give(
    scale: int, levels: int, count: int, sums_masks: bool, size: float
) -> None:
    timesteps = torch.linspace(0.2, 0.8, count)
    given = (two(3), two(4), timesteps, estimates(count, levels, size))
    ours = ops.pyramid_input(*given, scale=scale, fed_on=8, sums_masks=sums_masks, dtype=torch.float32)
    expected = pyramid._reference_input(*given, scale, 8, sums_masks)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=2e-4 * max(1, size))


@pytest.mark.parametrize(("count", "sums_masks"), [(1, False), (3, True)])
def test_the_blend_is_that_of_whole_frames(count: int, sums_masks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given = (two(3), estimates(count, 3, 0.3))
    ours = ops.pyramid_blend(*given, sums_masks=sums_masks)
    monkeypatch.setattr(pyramid, "kernels_run_on", lambda device: False)
    torch.testing.assert_close(ours, ops.pyramid_blend(*given, sums_masks=sums_masks), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_a_refinement_sees_what_single_operators_give(count: int, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    refined = random(count, 9, HEIGHT, WIDTH, last=True) * 3
    before = None if first else random(count, 4, HEIGHT // 2, WIDTH // 2, seed=6) * 2
    ours = ops.refinement_input(refined, before, two(5))
    monkeypatch.setattr(refinement, "kernels_run_on", lambda device: False)
    for mine, expected in zip(ours, ops.refinement_input(refined, before, two(5)), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)


def test_a_refined_blend_is_that_of_single_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    refined, before = random(2, 8, HEIGHT, WIDTH), random(2, 4, HEIGHT // 2, WIDTH // 2, seed=6) * 2
    ours = ops.refinement_blend(refined, before, two(3), torch.full((1, 1, 1, 1), 0.4))
    monkeypatch.setattr(refinement, "kernels_run_on", lambda device: False)
    expected = ops.refinement_blend(refined, before, two(3), torch.full((1, 1, 1, 1), 0.4))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 4, 16])
@pytest.mark.parametrize("with_residual", [True, False])
def test_bias_and_rectifier(channels: int, with_residual: bool) -> None:
    x, more = random(2, channels, 5, 7, last=True), random(2, channels, 5, 7, seed=1)
    bias, slope = random(channels, seed=2), random(channels, seed=3)
    residual = more if with_residual else None
    ours = ops.bias_activation(x, bias, slope, residual)
    torch.testing.assert_close(ours, activation.reference(x, bias, slope, residual))


def test_bias_and_rectifier_among_other_channels() -> None:
    whole = random(2, 12, 5, 7, last=True)
    expected = whole.clone()
    bias, slope = random(4, seed=2), random(4, seed=3)
    expected[:, 8:] = activation.reference(whole[:, 8:], bias, slope, None)
    # What a GPU launches; a CPU's halves take the way round.
    activation._into(whole[:, 8:].clone(), bias, slope, whole[:, 8:])
    torch.testing.assert_close(whole, expected)


def test_there_are_kernels_here() -> None:
    assert _launch.kernels_run_on(torch.device("cpu"))
