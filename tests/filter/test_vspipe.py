"""Real vspipe processes: the job itself, and that whatever is wrong gives one clear line and a non-zero exit."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import vapoursynth as vs
from clips import Piped

from vsvfi.commands.clips import core

CLIP = "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=10, fpsnum=25, fpsden=1)\n"

AT_CREATION = {
    "factor=0.5": "factor must be greater than 1, got 0.5",
    "factor=1": "factor must be greater than 1, got 1",
    "factor=float('nan')": "factor must be greater than 1, got nan",
    "factor=float('inf')": "factor must be greater than 1, got inf",
    "factor_den=2": "factor_den needs factor_num",
    "factor_num=1, factor_den=2": "factor must be greater than 1, got 1/2",
    "factor_num=-3": "factor_num must be from 1 to 2147483647, got -3",
    "factor=2, fps_num=60": "give one of factor, factor_num/factor_den, fps and fps_num/fps_den, not several",
    "fps_num=24": "the target rate must be above the clip's 25 fps, got 24",
    "fps_den=1001": "fps_den needs fps_num",
    "factor=2**30": "makes more than 2147483647 frames",
    "factor=2**31": "factor 2147483648 has terms above 2147483647; round it",
    "model='flwo'": "unknown model 'flwo'; closest: flow,",
    "model='sepconv'": "model 'sepconv' needs weights",
    "model='sepconv', weights='nowhere.pth'": "weights 'nowhere.pth' is neither a file nor the name of added weights",
    "weights='x'": "model 'flow' has no weights; leave weights out",
    "sc_mode='fade'": "sc_mode must be one of 'hold', 'nearest', 'blend', got 'fade'",
    "sc_threshold=0": "sc_threshold must be above 0 and at most 1, got 0",
    "sc_threshold=float('nan')": "sc_threshold must be above 0 and at most 1, got nan",
    "device='gpu'": "device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got 'gpu'",
    "model='torch-fade', device='cuda:7'": "device 'cuda:7': ",
    "model='torch-fade', device='mps'": "device 'mps': Metal is not available here",
    "precision='fp8'": "precision must be one of 'auto', 'fp32', 'fp16', 'bf16', got 'fp8'",
    "quality='ultra'": "quality must be one of 'fast', 'balanced', 'best', got 'ultra'",
    "model='fade', quality='best'": "model 'fade' has no choice of quality; leave quality out",
    "model='fade', scale=0.5": "model 'fade' cannot estimate motion at another scale; leave scale out",
    "scale=0.3": "scale must be one of 0.25, 0.5, 1, 2, 4, got 0.3",
    "tile=32": "tile must be one or two numbers of at least 64 (width, height), or 0 for none, got [32]",
    "tile=[64, 64, 64]": "tile must be one or two numbers",
    "num_streams=0": "num_streams must be from 1 to 32, got 0",
    "duplicates='drop'": "duplicates must be one of 'keep', 'bridge', got 'drop'",
    "model='torch-midpoint', factor=3": "model 'torch-midpoint' makes midpoints only and cannot reach timestep 1/3",
}


def is_one_line(errors: str) -> bool:
    """Whether no traceback of ours is shown (VapourSynth shows that of the user's own script)."""
    return "site-packages" not in errors and "vsvfi/" not in errors


@pytest.mark.parametrize("arguments", AT_CREATION)
@pytest.mark.usefixtures("models")
def test_a_wrong_argument_is_named(arguments: str) -> None:
    clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=10, fpsnum=25, fpsden=1)
    given = eval(f"dict({arguments})")
    with pytest.raises(vs.Error) as caught:
        clip.vsvfi.Interpolate(**given)
    assert str(caught.value).startswith("vsvfi.Interpolate: ")
    assert AT_CREATION[arguments] in str(caught.value)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize("arguments", list(AT_CREATION)[::7])
def test_vspipe_shows_that_line_and_fails(vspipe: Callable[..., Piped], arguments: str) -> None:
    done = vspipe(f"{CLIP}core.vsvfi.Interpolate(clip, {arguments}).set_output()")
    assert done.returncode != 0
    assert done.last_error.startswith("vapoursynth.Error: vsvfi.Interpolate: ")
    assert AT_CREATION[arguments] in done.last_error
    assert is_one_line(done.errors)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("core.vsvfi.Interpolate(clip, factor='x').set_output()", "could not convert string to float"),
        ("core.vsvfi.Interpolate(clip, threads=3).set_output()", "does not take argument(s) named threads"),
        ("core.vsvfi.DetectScenes(clip, threshold=2).set_output()", "threshold must be above 0 and at most 1, got 2"),
        ("core.vsvfi.Bind()", "vsvfi.Bind: for vsvfi's own use only"),
        (
            "def fail(n):\n    raise ValueError('the disc is scratched')\n"
            "core.vsvfi.Interpolate(core.std.FrameEval(clip, fail)).set_output()",
            "the disc is scratched",
        ),
    ],
)
def test_other_mistakes_at_creation(vspipe: Callable[..., Piped], script: str, message: str) -> None:
    done = vspipe(CLIP + script)
    assert done.returncode != 0
    assert message in done.errors


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "core.vsvfi.Interpolate(clip[:2], model='broken', sc=0).set_output()",
            "vsvfi.Interpolate: model 'broken' failed at output frame 1: ZeroDivisionError: the numbers ran out",
        ),
        (
            "def fail(n):\n    if n == 5:\n        raise ValueError('the disc is scratched')\n    return clip\n"
            "core.vsvfi.Interpolate(core.std.FrameEval(clip, fail)).set_output()",
            "the disc is scratched",
        ),
        (
            "good = core.std.BlankClip(format=vs.GRAYS, width=64, height=48, length=4)\n"
            "core.vsvfi.Interpolate(good + core.std.Expr(good[0], ['0 0 /']) + good).set_output()",
            "vsvfi.Interpolate: source frame 4 holds NaN or infinity",
        ),
    ],
)
def test_what_goes_wrong_while_frames_are_made(vspipe: Callable[..., Piped], script: str, message: str) -> None:
    done = vspipe(CLIP + script)
    assert done.returncode != 0
    assert message in done.errors
    assert "allocated in framebuffers" not in done.errors


@pytest.mark.parametrize("model", ["flow", "torch-fade"])
def test_the_job_itself(vspipe: Callable[..., Piped], model: str) -> None:
    done = vspipe(
        f"{CLIP}core.vsvfi.Interpolate(clip, model='{model}', factor=4).set_output()", "-c", "y4m", output="-"
    )
    assert done.returncode == 0, done.errors
    header, _, rest = done.output.partition(b"\n")
    assert b"W64 H48 F100:1" in header
    assert rest.count(b"FRAME\n") == 40
    assert len(rest) == 40 * (len(b"FRAME\n") + 64 * 48 * 3 // 2)
    assert "arning" not in done.errors


def damaged(path: Path, damage: str) -> Path:
    """A weights file that no model can use."""
    torch.save({"layer.weight": torch.zeros(64, 64)}, path)
    whole = path.read_bytes()
    contents = {
        "truncated": whole[: len(whole) // 2],
        "text": b"not found\n" * 20,
        "another model": whole,
        "empty": b"",
        "a lying header": struct.pack("<Q", 2**60) + b"{}",
    }
    target = path.with_suffix(".safetensors") if damage == "a lying header" else path
    target.write_bytes(contents[damage])
    return target


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated", "is damaged or not a weights file"),
        ("text", "is no weights file"),
        ("another model", "these are not weights of sepconv"),
        ("empty", "is empty"),
        ("a lying header", "is no weights file"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, damage: str, message: str) -> None:
    clip = core.std.BlankClip(length=3)
    path = damaged(tmp_path / "weights.pth", damage)
    with pytest.raises(vs.Error, match=message) as caught:
        clip.vsvfi.Interpolate(model="sepconv", weights=str(path))
    assert "\n" not in str(caught.value).strip()


def test_damaged_weights_through_vspipe(vspipe: Callable[..., Piped], tmp_path: Path) -> None:
    path = damaged(tmp_path / "weights.pth", "truncated")
    done = vspipe(f"{CLIP}core.vsvfi.Interpolate(clip, model='sepconv', weights={str(path)!r}).set_output()")
    assert done.returncode != 0
    assert "weights.pth is damaged or not a weights file" in done.last_error
    assert is_one_line(done.errors)
