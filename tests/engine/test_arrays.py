"""`vsvfi.between` and `vsvfi.Interpolator`: arrays and tensors in, the same kind out, and no VapourSynth."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest
import torch
import vapoursynth as vs

import vsvfi
from vsvfi.errors import VsvfiError
from vsvfi.testing import networks

CORE: Any = vs.core


def pictures(dtype: str, shape: tuple[int, ...], count: int = 2) -> list[Any]:
    """Random smooth frames, each a little further to the right."""
    height, width = shape[:2]
    y, x = np.mgrid[:height, :width]
    channels = [0.5 + 0.2 * np.sin(x / 5 + c) + 0.2 * np.cos(y / 4 - x / 9) for c in range(3)]
    whole = np.stack(channels, -1) if len(shape) == 3 else channels[0]
    peak = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    moved = [np.roll(whole, k, 1) * peak for k in range(count)]
    return [(picture.round() if peak > 1 else picture).astype(dtype) for picture in moved]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("model", ["fade", "torch-fade"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(37, 41), (37, 41, 3)])
def test_frames_come_out_as_they_went_in(model: str, dtype: str, shape: tuple[int, ...]) -> None:
    """In type and shape, at the right place between the two."""
    first, second = pictures(dtype, shape)
    new = vsvfi.between(first, second, 0.25, model=model)
    assert (new.dtype, new.shape) == (first.dtype, first.shape)
    expected = 0.75 * first.astype(float) + 0.25 * second.astype(float)
    tolerance = {"uint8": 0.51, "uint16": 1.0, "float16": 1e-3}.get(dtype, 1e-5)
    assert np.abs(new.astype(float) - expected).max() <= tolerance


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("model", ["fade", "torch-fade"])
@pytest.mark.parametrize(("dtype", "shape"), [(torch.uint8, (3, 20, 24)), (torch.float32, (2, 1, 20, 24))])
def test_tensors_stay_tensors(model: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    first, second = (torch.rand(shape, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    if dtype == torch.uint8:
        first, second = ((255 * frame).round().to(dtype) for frame in (first, second))
    new = vsvfi.between(first, second, 0.5, model=model)
    assert (new.dtype, new.shape, new.device) == (dtype, first.shape, first.device)
    torch.testing.assert_close(
        new.float(), (first.float() + second.float()) / 2, atol=0.51 if dtype == torch.uint8 else 1e-6, rtol=0
    )


@pytest.mark.usefixtures("models")
def test_gradients_reach_the_frames() -> None:
    first, second = torch.rand(2, 3, 16, 16).requires_grad_().unbind(0)
    new = vsvfi.between(first, second, 0.25, model="torch-fade")
    for frame, share in ((first, 0.75), (second, 0.25)):
        (gradient,) = torch.autograd.grad(new.sum(), frame, retain_graph=True)
        torch.testing.assert_close(gradient, torch.full_like(frame, share))


def test_several_timesteps_are_stacked() -> None:
    """Also 0 and 1, which are the frames themselves."""
    first, second = pictures("uint8", (64, 80, 3))
    interpolator = vsvfi.Interpolator("flow")
    steps: list[float | Fraction] = [0, 0.25, Fraction(1, 2), 1]
    together: Any = interpolator.between(first, second, steps)
    assert together.shape == (4, 64, 80, 3)
    assert np.array_equal(together[0], first)
    assert np.array_equal(together[3], second)
    for index in (1, 2):
        assert np.array_equal(together[index], interpolator.between(first, second, steps[index]))


@pytest.mark.parametrize("form", [vs.RGB24, vs.RGB48, vs.GRAY8])
def test_flow_gives_what_the_filter_gives(form: int) -> None:
    """Bit for bit: the same planes, the same kernels."""
    gray = form == vs.GRAY8
    first, second = pictures("uint16" if form == vs.RGB48 else "uint8", (64, 80) if gray else (64, 80, 3))
    blank = CORE.std.BlankClip(format=form, width=80, height=64, length=2, fpsnum=25, fpsden=1, keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["_Range"] = 1
        for plane in range(1 if gray else 3):
            np.asarray(frame[plane])[:] = (first, second)[n] if gray else (first, second)[n][..., plane]
        return frame

    clip = CORE.std.ModifyFrame(blank, blank, draw)
    with vsvfi.interpolate(clip, factor=4, sc=False).get_frame(1) as frame:
        wanted = np.stack([np.asarray(frame[plane]) for plane in range(frame.format.num_planes)], -1)
    assert np.array_equal(vsvfi.between(first, second, 0.25), wanted[..., 0] if gray else wanted)


@pytest.mark.usefixtures("models")
def test_midpoints_are_halved_again() -> None:
    first, second = pictures("float32", (20, 24, 3))
    new: Any = vsvfi.between(first, second, [0.25, 0.625], model="torch-midpoint")
    for frame, t in zip(new, (0.25, 0.625), strict=True):
        np.testing.assert_allclose(frame, (1 - t) * first + t * second, atol=1e-6)
    with pytest.raises(VsvfiError, match=r"makes 1/2, 1/4 \.\.\. 1/64 and their multiples only, got t = 3/10"):
        vsvfi.between(first, second, 0.3, model="torch-midpoint")


def test_four_frames_reach_the_model_in_order() -> None:
    """Frames that are not given are repeated at the ends."""
    frames = pictures("float32", (33, 40, 3), 4)
    interpolator = vsvfi.Interpolator("jnmr")
    four = interpolator.between(frames[1], frames[2], before=frames[0], after=frames[3])
    two = interpolator.between(frames[1], frames[2])
    repeated = interpolator.between(frames[1], frames[2], before=frames[1], after=frames[2])
    assert np.array_equal(two, repeated)
    assert not np.array_equal(two, four)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("model", ["fade", "torch-fade"])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_streams(model: str, count: int) -> None:
    """Source frames come out unchanged, in order, with new ones between, though their owner reuses one buffer."""
    sources = [np.full((8, 10), 30 * k, np.uint8) for k in range(count)]
    buffer = np.empty((8, 10), np.uint8)

    def reused() -> Any:
        for source in sources:
            buffer[:] = source
            yield buffer

    got = [int(frame[0, 0]) for frame in vsvfi.Interpolator(model).stream(reused(), 3)]
    assert got == list(range(0, 30 * (count - 1) + 1, 10))


def test_streams_of_four_frames_are_the_pairs() -> None:
    frames = pictures("float32", (33, 40), 4)
    interpolator = vsvfi.Interpolator("jnmr")
    got = list(interpolator.stream(frames))
    assert len(got) == 7
    for k, frame in enumerate(frames):
        assert np.array_equal(got[2 * k], frame)
    new = interpolator.between(frames[1], frames[2], before=frames[0], after=frames[3])
    assert np.array_equal(got[3], new)


@pytest.mark.usefixtures("models")
def test_a_frame_of_a_stream_is_encoded_once(models: Any) -> None:
    frames = pictures("uint8", (16, 16, 3), 5)
    list(vsvfi.Interpolator("fade").stream(frames, 4))
    assert sum(count for (what, _), count in models.items() if what == "encode") == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, b: vsvfi.between(a, b, 1.5), "t must be from 0 to 1, got 1.5"),
        (lambda a, b: vsvfi.between(a, b, cast("Any", "x")), "t must be a number from 0 to 1"),
        (lambda a, b: vsvfi.between(a, b, float("nan")), "t must be a number from 0 to 1"),
        (
            lambda a, b: vsvfi.between(a, b[:8]),
            r"shape, got numpy uint8 \(16, 16, 3\) and numpy uint8 \(8,",
        ),
        (lambda a, b: vsvfi.between(a, b.astype("uint16")), "of one type and shape"),
        (lambda a, b: vsvfi.between(a.astype("int32"), b), r"got an array \(16, 16, 3\) of int32"),
        (lambda a, b: vsvfi.between(a[..., :2], b), r"got an array \(16, 16, 2\)"),
        (lambda a, b: vsvfi.between(a.tolist(), b), "got list"),
        (lambda a, b: vsvfi.between(torch.zeros(2, 4, 4), b), r"got a tensor \(2, 4, 4\)"),
        (lambda a, b: vsvfi.between(a, b, model="flaw"), "unknown model 'flaw'"),
        (lambda a, b: vsvfi.between(a, b, model="sepconv"), "vsvfi weights get sepconv"),
        (lambda a, b: vsvfi.between(a, b, weights="x"), "'flow' has no weights"),
        (lambda a, b: vsvfi.between(a, b, quality="huge"), "quality 'huge' is none of those of model 'flow': fast"),
        (lambda a, b: vsvfi.between(a, b, device="gpu"), "device must be auto, cpu"),
        (lambda a, b: vsvfi.between(a, b, precision="int8"), "precision must be auto"),
        (lambda a, b: list(vsvfi.Interpolator().stream([a, b], 1)), "factor must be at least 2, got 1"),
        (lambda a, b: list(vsvfi.Interpolator().stream([a, b[:8]])), "of one type and shape"),
    ],
)
def test_errors_say_what_is_allowed(call: Any, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    first, second = pictures("uint8", (16, 16, 3))
    with pytest.raises(VsvfiError, match=message):
        call(first, second)


def test_it_is_the_network_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding at an odd size and its removal included: what the backend gives for a padded pair."""
    from vsvfi.models import registry, weights

    info = registry.find("ifrnet-s")
    network = networks.example_network(info)
    monkeypatch.setattr(weights, "load", lambda *_: network)
    monkeypatch.setattr(weights, "locate", lambda *_: [])
    frames = torch.rand(2, 3, 30, 50, generator=torch.Generator().manual_seed(0))
    new: Any = vsvfi.between(frames[0], frames[1], [0.3, 0.7], model="ifrnet-s")
    padded = torch.nn.functional.pad(frames, (0, 14, 0, 2), mode="replicate")
    wanted = networks.interpolate(networks.example_backend(info, network), padded.split(1), 0.3, 0.7)
    torch.testing.assert_close(new, wanted[..., :30, :50], atol=1e-5, rtol=0)


def test_neither_vapoursynth_nor_torch_is_needed() -> None:
    code = (
        "import sys; sys.modules['vapoursynth'] = sys.modules['torch'] = None\n"
        "import numpy as np, vsvfi\n"
        "frames = np.zeros((2, 48, 64, 3), np.uint8)\n"
        "print(vsvfi.between(*frames).shape, len(list(vsvfi.Interpolator().stream(frames, 4))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "(48, 64, 3) 5"
