"""Training samples."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_footage import shot, write
from torch.testing import assert_close

from vsvfi.backends.jnmr.training import _measure
from vsvfi.backends.jnmr.warp import sample as sample_at
from vsvfi.models.recipe import Batch
from vsvfi.train.config import Config, ConfigError, parse_config
from vsvfi.train.data import Needs, Samples, _quantised, batches

FOUR = Needs((-1, 0, 1, 2))


def config(**data: Any) -> Config:
    """A small run: four steps of two samples."""
    small = {"crop": 64, "margin": 8, "workers": 0, "textures": 4, "texture_size": 64}
    return parse_config({"data": small | data, "run": {"steps": 4, "batch": 2}})


def whole_batches(samples: Samples, start: int = 0) -> Iterator[Batch]:
    """The batches of one process that makes each at once."""
    return (part for (part,) in batches(samples, start, torch.device("cpu")))


def same(first: Batch, second: Batch) -> bool:
    """Whether two batches agree to the bit."""
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_sample_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    """Also with workers; and two samples differ."""
    samples = Samples(config(), FOUR, tmp_path)
    assert not same(samples[3], samples[4])
    alone = list(whole_batches(samples))
    parallel = list(whole_batches(Samples(config(workers=1), FOUR, tmp_path)))
    assert len(alone) == 4
    assert all(same(a, b) for a, b in zip(alone, parallel, strict=True))


def test_footage_reaches_workers_as_a_file(tmp_path: Path) -> None:
    """Not as a copy of its frames, which may be gigabytes."""
    path = write(tmp_path / "a.avi", shot(1, 20))
    samples = Samples(config(scenes=0.0, footage=[str(path)], crop=32), FOUR, tmp_path)
    packed = pickle.dumps(samples.clips)
    assert len(packed) < samples.clips[0][0].frames.nbytes / 10
    assert (pickle.loads(packed)[0][0].frames == samples.clips[0][0].frames).all()


@pytest.mark.parametrize("on_device", [False, True])
def test_a_run_goes_on_with_the_batches_that_follow(tmp_path: Path, on_device: bool) -> None:
    """Resuming at step 2 gives what steps 2 and 3 of the whole run gave."""
    samples = Samples(config(draw_on_device=on_device), FOUR, tmp_path)
    whole = list(whole_batches(samples))
    rest = list(whole_batches(samples, 2))
    assert all(same(a, b) for a, b in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("on_device", [False, True])
def test_what_a_batch_is(tmp_path: Path, on_device: bool) -> None:
    """Shapes and ranges; the target lies between the inner frames."""
    samples = Samples(config(draw_on_device=on_device, noise=0.0, compression=0.0), FOUR, tmp_path)
    for batch in whole_batches(samples):
        assert batch.frames.shape == (2, 4, 3, 64, 64)
        assert batch.target.shape == (2, 3, 64, 64)
        assert batch.frames.min() >= 0
        assert batch.frames.max() <= 1
        assert ((batch.timestep > 0) & (batch.timestep < 1)).all()
        inner = (batch.frames[:, 1] - batch.frames[:, 2]).abs().mean((1, 2, 3))
        to_target = (batch.frames[:, 1] - batch.target).abs().mean((1, 2, 3))
        assert (to_target <= inner * 1.3 + 1e-3).all()


def test_measured_flows_fit_their_frames(tmp_path: Path) -> None:
    """The flow from the second frame to the third brings the third to the second."""
    needs = Needs(FOUR.window, _measure)
    samples = Samples(config(noise=0.0, compression=0.0, repeat_outer=0.0), needs, tmp_path)
    gains = []
    for index in range(6):
        sample = samples[index]
        assert sample.measured.shape == (4, 2, 64, 64)
        moved = sample_at(sample.frames[None, 2], sample.measured[None, 0])
        second, third = sample.frames[1], sample.frames[2]
        gains.append(float((moved[0] - second).abs().mean() / (third - second).abs().mean()))
    assert np.median(gains) < 0.5


def test_flows_are_not_measured_on_the_device(tmp_path: Path) -> None:
    """A configuration that asks for both is refused."""
    with pytest.raises(ConfigError, match=r"data\.draw_on_device must be false"):
        Samples(config(draw_on_device=True), Needs(FOUR.window, _measure), tmp_path)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_model_of_two_frames_gets_the_inner_ones(tmp_path: Path, on_device: bool) -> None:
    """The same scenes as one of four; none of its frames repeats the other."""
    quiet = config(draw_on_device=on_device, noise=0.0, compression=0.0, repeat_outer=1.0)
    two, four = (next(whole_batches(Samples(quiet, needs, tmp_path))) for needs in (Needs(), FOUR))
    assert two.frames.shape == (2, 2, 3, 64, 64)
    assert_close(two.frames, four.frames[:, 1:3])
    assert_close(two.target, four.target)


@pytest.mark.parametrize("on_device", [False, True])
def test_outer_frames_are_repeated_at_times(tmp_path: Path, on_device: bool) -> None:
    """As at cuts and at a clip's ends."""
    samples = Samples(config(repeat_outer=1.0, draw_on_device=on_device), FOUR, tmp_path)
    repeated = [
        [torch.equal(f[0], f[1]), torch.equal(f[3], f[2])] for batch in whole_batches(samples) for f in batch.frames
    ]
    assert np.any(repeated, 0).all()


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("disturbance", ["noise", "compression"])
def test_frames_are_disturbed_but_not_the_truth(tmp_path: Path, on_device: bool, disturbance: str) -> None:
    """Noise and compression artefacts, of the strength that cameras and codecs have."""
    quiet = {"noise": 0.0, "compression": 0.0, "repeat_outer": 0.0, "draw_on_device": on_device, "any_timestep": False}
    clean, worse = (
        next(whole_batches(Samples(config(**given), FOUR, tmp_path))) for given in (quiet, quiet | {disturbance: 1.0})
    )
    if on_device:  # elsewhere what is drawn for the disturbance shifts the flips that follow
        assert torch.equal(clean.target, worse.target)
        assert 0.003 < (clean.frames - worse.frames).square().mean().sqrt() < 0.06
    else:
        assert not torch.equal(clean.frames, worse.frames)


def test_what_a_transform_codec_leaves() -> None:
    """Next to nothing happens with fine steps; with coarse ones a gentle ramp keeps its blocks' means alone."""
    ramp = (0.5 + torch.linspace(0, 0.02, 24)).expand(3, 16, 24).contiguous()
    assert_close(_quantised(ramp, 1e-6), ramp, atol=1e-5, rtol=0)
    blocks = _quantised(ramp, 0.1).unflatten(-1, (3, 8))
    assert_close(blocks, blocks.mean(-1, keepdim=True).expand_as(blocks), atol=1e-5, rtol=0)
    assert_close(blocks.mean(), ramp.mean(), atol=0.1 / 8, rtol=0)


def test_held_out_scenes_are_others(tmp_path: Path) -> None:
    """Validation sees neither the scenes nor the textures of training, and the midpoint."""
    train, held_out = Samples(config(), FOUR, tmp_path), Samples(config(), FOUR, tmp_path, held_out=True)
    assert not torch.equal(train.bank, held_out.bank)
    assert held_out[0].timestep == 0.5


def test_footage(tmp_path: Path) -> None:
    """Crops of real frames, at the timesteps that the stride gives."""
    path = write(tmp_path / "a.avi", shot(1, 20))
    samples = Samples(config(scenes=0.0, footage=[str(path)], strides=[3], repeat_outer=0.0), FOUR, tmp_path)
    times = {round(float(samples[i].timestep), 4) for i in range(8)}
    assert times == {0.3333, 0.6667}
    with pytest.raises(ConfigError, match=r"a\.avi is 96x72: too small for crops of 128"):
        Samples(config(scenes=0.0, footage=[str(path)], crop=128), FOUR, tmp_path)
    with pytest.raises(ConfigError, match="no window"):
        Samples(config(scenes=0.0, footage=[str(path)], strides=[9]), FOUR, tmp_path)
