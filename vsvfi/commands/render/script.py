"""The script of a job, and the clip that it makes."""

from __future__ import annotations

from typing import Any

from vsvfi.commands.clips import Clip, core
from vsvfi.commands.render.job import Job
from vsvfi.commands.render.source import Source

__all__ = ["body_of", "evaluate", "for_encoding", "opening_of"]


_TIMED = """

def with_duration(n, f):
    if '_DurationNum' not in f.props:  # the file has none for the last frame
        f = f.copy()
        f.props.update(_DurationNum={den}, _DurationDen={num})
    return f


# The frame rate varies: a clip of rate 0 is placed in time by the durations of its frames.
timed = core.std.BlankClip(clip, fpsnum=0, fpsden=1, keep=True)
clip = core.std.ModifyFrame(timed, clip, with_duration)
"""


def opening_of(job: Job, source: Source) -> str:
    """The beginning of a job's script, which makes the clip to interpolate."""
    path = str(job.source.resolve())
    text = f"import vapoursynth as vs\n\ncore = vs.core\nclip = core.bs.VideoSource({path!r})\n"
    if not source.whole:
        text += f"clip = clip[{source.first}:{source.last}]\n"
    if job.deinterlace:
        text += "clip = core.bwdif.Bwdif(clip, field=3)\nclip = core.std.SetFieldBased(clip, 0)\n"
    return text


def body_of(job: Job, source: Source) -> str:
    """The rest of a job's script, which makes the output of that clip."""
    arguments = _time_arguments(job, source)
    arguments |= {name: value for name, value in job.filter.items() if value is not None}
    text = "" if source.constant else _TIMED.format(num=source.rate.numerator, den=source.rate.denominator)
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    text += f"clip = core.vsvfi.Interpolate(clip, {listed})\n"
    if job.slow:
        num, den = source.rate.as_integer_ratio()
        text += f"clip = core.std.AssumeFPS(clip, fpsnum={num}, fpsden={den})\n"
    return f"{text}clip.set_output()\n"


def _time_arguments(job: Job, source: Source) -> dict[str, Any]:
    factor, fps = job.rate.factor, job.rate.fps
    if not source.constant and fps is None and factor is not None:
        fps = source.rate * factor
    if fps is not None:
        return {"fps_num": fps.numerator, "fps_den": fps.denominator}
    if factor is None:
        return {}
    if factor.denominator == 1:
        return {"factor": factor.numerator}
    return {"factor_num": factor.numerator, "factor_den": factor.denominator}


def evaluate(text: str, clip: Clip = None) -> Clip:
    """The clip that a script makes: its variable ``clip``, which may have a value before."""
    import vapoursynth as vs

    names: dict[str, Any] = {"__name__": "__vapoursynth__", "vs": vs, "core": core, "clip": clip}
    try:
        exec(compile(text, "<vsvfi render>", "exec"), names)
        return names["clip"]
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
