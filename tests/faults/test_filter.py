"""Faults of clips and arguments: what happens, and the one line that must come out of a real process."""

from __future__ import annotations

import re

import pytest
from faults.child import Child

CLIP = "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=6)\n"
PROPERTY = "one whole number, got"

FAULTS = {
    # Sizes
    "a wide clip": (
        "clip = core.std.BlankClip(width=200000, height=16, format=vs.GRAY8, length=6)\n"
        "result = clip.vsvfi.DetectScenes().get_frame(2).props['_SceneChangePrev']",
        "ok: 0",
    ),
    "a tall clip": (
        "clip = core.std.BlankClip(width=16, height=200000, format=vs.GRAY8, length=6)\n"
        "result = clip.vsvfi.Interpolate().get_frame(1).height",
        "ok: 200000",
    ),
    "a clip too wide for fp32": (
        "core.std.BlankClip(width=2**24 + 1, height=1, format=vs.GRAY8, length=6).vsvfi.Interpolate()",
        r"Interpolate: frames of 16777217x1 are too large: at most 16777216 samples a side",
    ),
    "a clip at the core's limit": (
        "core.std.BlankClip(width=2**31 - 1, height=1, format=vs.GRAY8, length=6).vsvfi.DetectScenes()",
        r"DetectScenes: frames of 2147483647x1 are too large",
    ),
    # Formats
    "integers of 32 bits": (
        "form = core.query_video_format(vs.GRAY, vs.INTEGER, 32)\n"
        "core.std.BlankClip(format=form.id).vsvfi.Interpolate()",
        r"the clip is Gray32: integers of 8 to 16 bits, half and float can be interpolated; convert it first",
    ),
    # Properties
    "a list as matrix": (
        f"{CLIP}clip.std.SetFrameProps(_Matrix=[1, 2]).vsvfi.Interpolate(model='torch-fade').get_frame(1)",
        PROPERTY,
    ),
    "text as matrix": (f"{CLIP}clip.std.SetFrameProps(_Matrix='x').vsvfi.Interpolate().get_frame(1)", PROPERTY),
    "text as chroma location": (
        f"{CLIP}clip.std.SetFrameProps(_ChromaLocation='x').vsvfi.Interpolate(model='torch-fade').get_frame(1)",
        PROPERTY,
    ),
    "text as field order": (f"{CLIP}clip.std.SetFrameProps(_FieldBased='x').vsvfi.Interpolate()", PROPERTY),
    "a list as field order": (f"{CLIP}clip.std.SetFrameProps(_FieldBased=[0, 2]).vsvfi.Interpolate()", PROPERTY),
    "bytes as range": (f"{CLIP}clip.std.SetFrameProps(_Range=b'\\xff').vsvfi.DetectScenes().get_frame(0)", PROPERTY),
    "text as scene change": (
        f"{CLIP}clip.std.SetFrameProps(_SceneChangePrev='x').vsvfi.Interpolate().get_frame(1)",
        f"Interpolate: the frame property _SceneChangePrev must be {PROPERTY}",
    ),
    # Rates and durations
    "a rate beyond 64 bits": (
        f"{CLIP}clip.std.AssumeFPS(fpsnum=2**62 - 1).vsvfi.Interpolate(factor_num=2**31 - 1, factor_den=2**29)",
        r"the output's frame rate would be \d+/\d+, beyond 64 bits",
    ),
    "one broken timestamp": (
        "lasts = [1] * 4 + [2**31 - 1] + [1] * 5\nwithout_rate(noise(length=10), lasts).vsvfi.Interpolate(fps_num=60)",
        r"frame 4 lasts 2147483647 s: that makes more than 2147483647 frames at 60 fps; its timestamp may be broken",
    ),
    "a million frames a second": (
        "clip = without_rate(noise(length=10), [1] * 10).vsvfi.Interpolate(fps_num=10**6, sc=0)\n"
        "result = clip.num_frames, clip.get_frame(9_999_999).props['_DurationDen']",
        r"ok: \(10000000, 1000000\)",
    ),
    "durations near 2^62": (
        "lasts = [Fraction(2**62 - 1 - 2 * n, 2**62 - 3) for n in range(10)]\n"
        "without_rate(noise(length=10, still=True), lasts).vsvfi.Interpolate(fps_num=60, duplicates='bridge')",
        r"frame \d lasts \d+/\d+ s: 64-bit fractions cannot place that exactly at 60 fps",
    ),
    "durations near 2^62, bridged": (
        "lasts = [Fraction(2**62 - 101, 2**41)] + [Fraction(1, 2**41)] * 9\n"
        "clip = without_rate(noise(length=4, still=True) + noise(length=6).std.Invert(), lasts)\n"
        "clip.vsvfi.Interpolate(fps_num=1, duplicates='bridge', sc=0).get_frame(1)",
        r"Interpolate: durations too fine for 64-bit fractions",
    ),
    "a duration of nothing": (
        "without_rate(noise(length=3), [1, 0, 1]).vsvfi.Interpolate(fps_num=60)",
        r"frame 1 lasts 0/1 s; a duration must be above 0",
    ),
    "a negative duration": (
        "without_rate(noise(length=3), [1, -1, 1]).vsvfi.Interpolate(factor=2, sc=0).get_frame(2)",
        r"frame 1 lasts -1/1 s; a duration must be above 0",
    ),
    # Arguments
    "a factor near 1": (f"{CLIP}clip.vsvfi.Interpolate(factor=1.0001)", r"factor 1\.0001 is 1 when it is rounded"),
    "half a device": (f"{CLIP}clip.vsvfi.Interpolate(device='cpu:')", r"device must be 'auto', .*, got 'cpu:'"),
    "digits of another script": (f"{CLIP}clip.vsvfi.Interpolate(device='cuda:٣')", r"device must be"),
    "bytes as a model": (f"{CLIP}clip.vsvfi.Interpolate(model=b'\\xff')", r"model must be text, got b'\\xff'"),
    "bytes as weights": (f"{CLIP}clip.vsvfi.Interpolate(weights=[b'\\xff'])", r"weights must be text"),
    "escape codes in a name": (f"{CLIP}clip.vsvfi.Interpolate(model='\\x1b[31m')", r"unknown model '\\\\?x1b\[31m'"),
    # What is not for scripts
    "Gather from a script": (
        f"{CLIP}clip.vsvfi.Gather(func=lambda n, first, frames: 1, first=0, last=0, name='x')",
        r"Gather: for vsvfi's own use only",
    ),
    # Clips before ours
    "a filter before that fails": (
        f"{CLIP}core.std.FrameEval(clip, lambda n: 1 / 0).vsvfi.Interpolate()",
        r"the clip cannot be read: ZeroDivisionError: division by zero",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_clip_or_argument_is_one_line(child: Child, fault: str) -> None:
    code, wanted = FAULTS[fault]
    outcome = child.run(f"from fractions import Fraction\n{code}")
    assert outcome.is_one_line, outcome
    shown = f"ok: {outcome.text}" if outcome.kind == "ok" else outcome.text
    assert re.search(wanted, shown), outcome
