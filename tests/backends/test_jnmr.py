"""JNMR: the full network, its parts, and the motion that a primed one starts at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.testing import assert_close

from vsvfi.backends.jnmr.backend import JNMRBackend
from vsvfi.backends.jnmr.blocks import PUBLISHED_CHANNELS
from vsvfi.backends.jnmr.network import JNMR, Hyperparameters
from vsvfi.backends.jnmr.prior import measure_flows, prior_motion
from vsvfi.backends.jnmr.warp import collaborative_warp, sample
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.train.scenes import Scenes, render
from vsvfi.train.textures import draw_bank

PAPER = Hyperparameters(timestep=False)
SMALL = Hyperparameters(kernel_size=1, channels=8, synthesis_channels=8, primed=True)

TABLE_III: Mapping[str, tuple[Hyperparameters, float]] = {
    "baseline": (dataclasses.replace(PAPER, rdfl=False, regression=False, cfse=False), 5.3),
    "with RDFL": (dataclasses.replace(PAPER, regression=False, cfse=False), 4.0),
    "with JNMR": (dataclasses.replace(PAPER, rdfl=False, cfse=False), 6.9),
    "with CFSE": (dataclasses.replace(PAPER, rdfl=False, regression=False), 5.4),
    "full": (PAPER, 5.7),
}


def parameters(network: nn.Module) -> float:
    """In millions."""
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize("row", TABLE_III)
def test_parameter_counts_are_the_papers(row: str) -> None:
    """Table III of the paper, to 0.1 M."""
    hyperparameters, published = TABLE_III[row]
    with torch.device("meta"):
        assert parameters(JNMR(hyperparameters)) == pytest.approx(published, abs=0.1)


def test_the_timestep_costs_next_to_nothing() -> None:
    """One more input channel, and a shift of the gates."""
    with torch.device("meta"):
        assert parameters(JNMR(Hyperparameters())) - parameters(JNMR(PAPER)) == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize(
    "hyperparameters",
    [
        *(dataclasses.replace(row, kernel_size=3, channels=8) for row, _ in TABLE_III.values()),
        SMALL,
        dataclasses.replace(SMALL, timestep=False, cfse=False),
        Hyperparameters(kernel_size=5, channels=PUBLISHED_CHANNELS, synthesis_channels=16),
    ],
    ids=str,
)
def test_hyperparameters_are_read_off_the_shapes(hyperparameters: Hyperparameters) -> None:
    """Nobody has to say what a checkpoint is."""
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in JNMR(hyperparameters).state_dict().items()}
    assert Hyperparameters.from_shapes(shapes) == hyperparameters
    assert [info.name for info, _ in weights.recognise(shapes)] == ["jnmr"]


def frames_of(picture: Tensor) -> Tensor:
    """Four times the same picture ``(3, H, W)``."""
    return picture.expand(1, 4, -1, -1, -1).contiguous()


@pytest.mark.parametrize("hyperparameters", [SMALL, dataclasses.replace(SMALL, primed=False, kernel_size=3)], ids=str)
def test_an_untrained_network_keeps_brightness(hyperparameters: Hyperparameters) -> None:
    """Weights are distributions: grey stays grey, and training starts at a blend, not at noise."""
    torch.manual_seed(0)
    network = JNMR(hyperparameters)
    flows = torch.zeros(1, 4, 2, 64, 64)
    for level in (0.0, 0.3, 1.0):
        frame = network(frames_of(torch.full((3, 64, 64), level)), torch.tensor([0.3]), flows).frame
        assert_close(frame, torch.full_like(frame, level), atol=1e-5, rtol=0)


def test_an_untrained_primed_network_follows_the_flow() -> None:
    """A pan by 4 pixels a frame: better than any blend, before any training."""
    torch.manual_seed(0)
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 12), (64, 96), mode="bicubic")[0].clamp(0, 1)
    frames = torch.stack([wide[:, :, 12 - x : 76 - x] for x in (0, 4, 8, 12)])[None]
    truth = wide[:, :, 12 - 6 : 76 - 6]
    flows = torch.zeros(1, 4, 2, 64, 64)
    flows[:, :, 0] = torch.tensor([4.0, -4.0, -4.0, 4.0]).view(4, 1, 1)
    inner = (..., slice(8, -8), slice(8, -8))
    frame = JNMR(SMALL)(frames, torch.tensor([0.5]), flows).frame[0]
    blend = (frames[0, 1] + frames[0, 2]) / 2
    error, blended = ((picture - truth)[inner].abs().mean() for picture in (frame, blend))
    assert error < 0.35 * blended


class TestPrior:
    """Quadratic motion from four flows."""

    SIZE = (24, 32)

    def flows(self, *vectors: tuple[float, float]) -> Tensor:
        """Uniform flows: second to third, third to second, second to first, third to fourth."""
        return torch.tensor(vectors).view(1, 4, 2, 1, 1).expand(-1, -1, -1, *self.SIZE).contiguous()

    def centre(self, flows: Tensor, timestep: float) -> Tensor:
        """The six offsets in the middle of the picture."""
        offsets = prior_motion(flows, torch.tensor([timestep])).offsets
        return offsets[0, :, :, self.SIZE[0] // 2, self.SIZE[1] // 2]

    def test_straight_motion(self) -> None:
        """At constant velocity (4, 2), a quarter of the way."""
        offsets = self.centre(self.flows((4, 2), (-4, -2), (-4, -2), (4, 2)), 0.25)
        steps = torch.tensor([-1.25, -0.25, 0.75, 1.75, -0.25, 0.75])
        assert_close(offsets, steps[:, None] * torch.tensor([4.0, 2.0]), atol=1e-4, rtol=0)

    def test_accelerated_motion(self) -> None:
        """x(t) = 4 t + t ** 2 at times -1, 0, 1, 2 is -3, 0, 5, 12: midway it is 2.25, not 2.5."""
        offsets = self.centre(self.flows((5, 0), (-5, 0), (-3, 0), (7, 0)), 0.5)[:, 0]
        assert_close(offsets[4:], torch.tensor([-2.25, 2.75]), atol=0.07, rtol=0)
        assert_close(offsets[1:3], torch.tensor([-2.5, 2.5]), atol=1e-3, rtol=0)
        assert_close(offsets[[0, 3]], torch.tensor([-5.25, 9.75]), atol=0.07, rtol=0)

    def test_a_shaking_camera_does_not_bend_the_path(self) -> None:
        """Accelerations of opposite sign before and after are noise, not a curve."""
        offsets = self.centre(self.flows((4, 0), (-4, 0), (-3, 0), (3, 0)), 0.5)[:, 0]
        assert_close(offsets[4:], torch.tensor([-2.0, 2.0]), atol=1e-3, rtol=0)

    @pytest.mark.parametrize("noise", [0.0, 0.1])
    @pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
    def test_repeated_outer_frames_do_not_bend_the_path(self, timestep: float, noise: float) -> None:
        """At a cut, or among duplicates, the window repeats a frame: motion did not stop, there is nothing to know."""
        offsets = self.centre(self.flows((8, 0), (-8, 0), (noise, 0), (0, noise)), timestep)[:, 0]
        assert_close(offsets[4:], torch.tensor([-8 * timestep, 8 * (1 - timestep)]), atol=1e-4, rtol=0)

    def test_wild_acceleration_is_limited(self) -> None:
        """A flow that went astray bends the path by half the straight way and half a pixel at most."""
        offsets = self.centre(self.flows((4, 0), (-4, 0), (90, 0), (-90, 0)), 0.5)[:, 0]
        assert offsets[4:].abs().max() <= 2 + 0.5 * 2 + 0.5 + 1e-4

    def test_features_stay_finite(self) -> None:
        """Whatever the flows."""
        flows = torch.randn(1, 4, 2, *self.SIZE) * 1e4
        prior = prior_motion(flows, torch.tensor([0.5]))
        assert prior.features.isfinite().all()
        assert prior.side_logit.isfinite().all()

    def test_flow_is_measured(self) -> None:
        """A pan by (3, 0) pixels; nothing between equal frames."""
        rng = np.random.default_rng(0)
        wide = cv2.resize(rng.integers(0, 255, (8, 16)).astype(np.uint8), (128, 64), interpolation=cv2.INTER_CUBIC)
        lumas: list[NDArray[Any]] = [np.ascontiguousarray(wide[:, 20 - x : 84 - x]) for x in (0, 0, 3, 6)]
        flows = measure_flows((lumas[0], lumas[1], lumas[2], lumas[3]))
        assert flows.shape == (4, 2, 64, 64)
        means = flows[:, :, 8:-8, 8:-8].mean((2, 3))
        np.testing.assert_allclose(means, [[3, 0], [-3, 0], [0, 0], [3, 0]], atol=0.1)
        assert not flows[2].any()

    def test_a_small_thing_that_moves_far_is_found(self) -> None:
        """A ball of 12 pixels that flies 20 a frame over a still wall: a pyramid's coarse levels do not show it."""
        rng = np.random.default_rng(1)
        wall = cv2.resize(rng.integers(60, 120, (24, 40)).astype(np.uint8), (320, 192), interpolation=cv2.INTER_CUBIC)
        lumas: list[NDArray[Any]] = []
        for x in (60, 80, 100, 120):
            picture = wall.copy()
            cv2.circle(picture, (x, 96), 6, 255, -1)
            cv2.circle(picture, (x + 2, 94), 2, 0, -1)
            lumas.append(picture)
        flows = measure_flows((lumas[0], lumas[1], lumas[2], lumas[3]))
        at_ball = flows[:, 0, 96, [80, 100, 80, 100]].diagonal()
        np.testing.assert_allclose(at_ball, [20, -20, -20, 20], atol=1)
        assert np.abs(flows[:, :, :, 240:]).max() < 0.5


class TestWarp:
    """AdaCoF without the published kernel's truncation."""

    IMAGE = torch.arange(20.0).view(1, 1, 4, 5)

    def test_taps(self) -> None:
        """By hand: half of the pixel above-left, half of the centre, displaced."""
        weight, zero = torch.zeros(1, 9, 4, 5), torch.zeros(1, 9, 4, 5)
        weight[:, 0], weight[:, 4] = 0.5, 0.5
        result = collaborative_warp(self.IMAGE, weight, zero, zero + 1)
        assert result[0, 0, 1, 1].item() == pytest.approx((0 + 1 + 6 + 1) / 2)

    def test_negative_offsets_interpolate(self) -> None:
        """A quarter pixel to the left is between the two pixels there: floor, not truncation."""
        one, offset = torch.ones(1, 1, 4, 5), torch.full((1, 1, 4, 5), -0.25)
        assert_close(collaborative_warp(self.IMAGE, one, 0 * one, offset)[0, 0, 2, 1:], self.IMAGE[0, 0, 2, 1:] - 0.25)

    def test_a_common_displacement(self) -> None:
        """``base`` is (x, y), as flow is, and what `sample` does."""
        base = torch.zeros(1, 2, 4, 5)
        base[:, 0], base[:, 1] = 1, 2
        one = torch.ones(1, 1, 4, 5)
        warped = collaborative_warp(self.IMAGE, one, 0 * one, 0 * one, base=base)
        assert_close(warped, sample(self.IMAGE, base))
        assert warped[0, 0, 0, 0].item() == pytest.approx(11)


def test_weights_for_the_midpoint_refuse_other_times() -> None:
    """A network that does not know the time cannot be asked for another."""
    network = JNMR(dataclasses.replace(SMALL, timestep=False)).eval()
    backend = JNMRBackend(registry.find("jnmr"), network, Options())
    window = [torch.rand(1, 3, 64, 64) for _ in range(4)]
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    with torch.inference_mode():
        assert backend.synthesize(state, torch.tensor([0.5])).shape == (1, 3, 64, 64)
        with pytest.raises(ValueError, match="for the middle of two frames only"):
            backend.synthesize(state, torch.tensor([0.5, 0.25]))


def test_several_timesteps_at_once_are_as_one_by_one() -> None:
    """The order and the company do not matter."""
    torch.manual_seed(0)
    backend = JNMRBackend(registry.find("jnmr"), JNMR(SMALL).eval(), Options())
    window = [torch.rand(1, 3, 64, 64) for _ in range(4)]
    with torch.inference_mode():
        state = backend.prepare(window, [backend.encode(frame) for frame in window])
        both = backend.synthesize(state, torch.tensor([0.25, 0.75]))
        assert_close(both[1:], backend.synthesize(state, torch.tensor([0.75])), rtol=0, atol=0)
        assert not torch.equal(both[0], both[1])


class TestShippedWeights:
    """What `model="jnmr"` runs with where the user added nothing."""

    def test_they_are_found_without_any_added(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A small primed network that knows the time; far below the size that a wheel can bear."""
        monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
        info = registry.find("jnmr")
        (path,) = weights.locate(info)
        assert path.stat().st_size < 16_000_000
        assert weights.metadata(path)["model"] == "jnmr"
        attribution = path.with_name(f"{path.name}.md").read_text()
        assert "Creative Commons Attribution 3.0" in attribution
        assert "Creative Commons Attribution 4.0" in attribution
        network = weights.load(info)
        assert isinstance(network, JNMR)
        assert network.hyperparameters == SMALL

    def test_they_follow_accelerated_motion(self) -> None:
        """A falling background at a quarter, the middle and three quarters: far better than a blend, and sharp."""
        bank = draw_bank(11, 4, 96)
        scene = Scenes.generate(11, [0], size=(64, 96), textures=4, texture_size=96)
        motion = np.zeros_like(scene.motion)
        motion[:, 0, 1, :3] = (30, 6, 1)
        radius = np.zeros_like(scene.radius)
        radius[:, 0] = 1e6
        plain = {"bend": np.zeros_like(scene.bend), "light": np.zeros_like(scene.light)}
        scene = dataclasses.replace(scene, motion=motion, radius=radius, shutter=np.zeros(1, np.float32), **plain)

        def at(time: float) -> Tensor:
            drawn = render(scene, np.full(1, time, np.float32), bank, size=(64, 96))
            return torch.from_numpy(drawn.transpose(0, 3, 1, 2).copy())

        info = registry.find("jnmr")
        backend = JNMRBackend(info, weights.assemble(info, [weights.read(weights.locate(info)[0])]), Options())
        window = [at(time) for time in (-1, 0, 1, 2)]
        times = (0.25, 0.5, 0.75)
        with torch.inference_mode():
            state = backend.prepare(window, [backend.encode(frame) for frame in window])
            made = backend.synthesize(state, torch.tensor(times))
        for time, frame in zip(times, made, strict=True):
            truth, blend = at(time)[0], (1 - time) * window[1][0] + time * window[2][0]
            inner = (..., slice(12, -12), slice(None))
            error, blended = ((picture - truth)[inner].square().mean() for picture in (frame, blend))
            assert error < 0.1 * blended, time
