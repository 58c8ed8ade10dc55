"""The script that a job stands for, and the clip that it makes."""

from __future__ import annotations

from typing import Any

from vsvfi.commands.clips import Clip, core
from vsvfi.commands.render.job import Job
from vsvfi.commands.render.source import Source

__all__ = ["evaluate", "for_encoding", "script_of"]


def script_of(job: Job, source: Source) -> str:
    """The script that a job stands for: what `vsvfi render` itself evaluates."""
    arguments = [f"model={job.model!r}"]
    fps = job.rate.fps
    if not source.constant and fps is None and job.rate.factor is not None:
        fps = source.rate * job.rate.factor
    if fps is not None:
        arguments.append(f"fps_num={fps.numerator}, fps_den={fps.denominator}")
    elif job.rate.factor is not None and job.rate.factor.denominator == 1:
        arguments.append(f"factor={job.rate.factor}")
    elif job.rate.factor is not None:
        arguments.append(f"factor_num={job.rate.factor.numerator}, factor_den={job.rate.factor.denominator}")
    defaults = Job(source=job.source)
    for name in ("sc_mode", "device", "precision", "quality"):
        value = getattr(job, name)
        if value != getattr(defaults, name):
            arguments.append(f"{name}={value!r}")
    lines = ["import vapoursynth as vs", "", "core = vs.core"]
    lines.append(f"clip = core.bs.VideoSource({str(job.source.resolve())!r})")
    if not source.constant:
        lines += [
            "",
            "",
            "def with_duration(n, f):",
            "    if '_DurationNum' not in f.props:  # of the last frame the file does not tell it",
            "        f = f.copy()",
            f"        f.props.update(_DurationNum={source.rate.denominator}, _DurationDen={source.rate.numerator})",
            "    return f",
            "",
            "",
            "# The frame rate varies: a clip of rate 0 is placed in time by the durations of its frames.",
            "timed = core.std.BlankClip(clip, fpsnum=0, fpsden=1, keep=True)",
            "clip = core.std.ModifyFrame(timed, clip, with_duration)",
        ]
    lines += [f"clip = core.vsvfi.Interpolate(clip, {', '.join(arguments)})", "clip.set_output()"]
    return "\n".join(lines) + "\n"


def evaluate(text: str) -> Clip:
    """The clip that a script sets as its output."""
    import vapoursynth as vs

    vs.clear_outputs()
    try:
        exec(compile(text, "<vsvfi render>", "exec"), {"__name__": "__vapoursynth__"})
        output: Any = vs.get_output(0)
        return output.clip
    finally:
        vs.clear_outputs()


def for_encoding(clip: Clip) -> Clip:
    """The clip in a format that goes through a yuv4mpegpipe."""
    import vapoursynth as vs
    from vsutil import depth

    fmt = clip.format
    if fmt.color_family == vs.RGB:
        fmt = core.query_video_format(vs.YUV, fmt.sample_type, fmt.bits_per_sample, 0, 0)
        clip = clip.resize.Bicubic(format=fmt.id, matrix=vs.MATRIX_BT709)
    return depth(clip, 16, vs.INTEGER) if fmt.sample_type == vs.FLOAT else clip
