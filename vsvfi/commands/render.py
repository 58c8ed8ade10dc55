"""`vsvfi render`: a whole video through the filter, with its sound, subtitles, chapters and color_tags.

The picture is encoded in segments that end at scene changes, in a folder beside the output; when all are there,
they are joined with everything else of the source, and only the finished file gets the final name.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import shlex
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.commands import color_tags, ffmpeg
from vsvfi.commands.clips import Clip, core
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Encoding", "Job", "Rate", "rate_from", "render", "script"]

CONTAINERS = (".mkv", ".mp4", ".m4v", ".mov")
LONGEST = 6
"""A segment without a scene change ends after so many times its usual length."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many frames to make: ``factor`` for each source frame, or ``fps`` a second; one of them."""

    factor: Fraction | None = None
    fps: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to interpolate, and how: the arguments of `vsvfi.Interpolate` that were given."""

    source: Path
    model: str = "flow"
    rate: Rate = Rate(Fraction(2))
    sc_mode: str = "hold"
    device: str = "auto"
    precision: str = "auto"
    quality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the picture is encoded; ``options`` are further ones of ffmpeg's, as one string."""

    encoder: str = "libx264"
    crf: int = 17
    preset: str = "medium"
    options: str = ""
    segment_seconds: float = 10.0


def rate_from(factor: float | None, fps: str | None) -> Rate:
    """The rate that the command line asks for; 23.976, 29.97, 59.94 and 119.88 mean the rates of television.

    Raises:
        VsvfiError: both are given, or ``fps`` is not a rate.
    """
    if factor is not None and fps is not None:
        raise VsvfiError("give --factor or --fps, not both")
    if fps is None:
        if factor is not None and not (math.isfinite(factor) and factor > 1):
            raise VsvfiError(f"--factor must be greater than 1, got {factor:g}")
        return Rate(Fraction(2 if factor is None else factor).limit_denominator(1001))
    try:
        value = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0:
        raise VsvfiError(f"--fps must be a rate such as 60, 59.94 or 60000/1001, got {fps!r}")
    television = Fraction(round(value * Fraction(1001, 1000)) * 1000, 1001)
    if "." in fps and value.denominator != 1 and abs(value - television) < Fraction(1, 200):
        value = television
    return Rate(fps=value)


@dataclass(frozen=True, slots=True)
class _Source:
    """What the script and the sound need to know of a video: times in seconds from its own first frame."""

    begins: list[Fraction]
    offset: Fraction
    constant: bool
    rate: Fraction


def _inspect(path: Path) -> _Source:
    if not path.is_file():
        raise VsvfiError(f"there is no video {path}")
    if not hasattr(core, "bs"):
        raise VsvfiError("BestSource is needed to read videos: pip install vapoursynth-bestsource")
    clip = core.bs.VideoSource(str(path))
    times = _times(path)
    base = Fraction(times["timebasenum"], times["timebaseden"])
    stamps = times["timestamps"]
    stamps = [stamps] if isinstance(stamps, int) else list(stamps)
    begins = [(stamp - stamps[0]) * base for stamp in stamps]
    rate = Fraction(clip.fps)
    ideal = [number / rate for number in range(len(begins))] if rate else []
    # Containers round times (Matroska to milliseconds): a constant rate is one that no frame leaves by half a frame.
    constant = bool(rate) and all(abs(a - b) * rate < Fraction(1, 2) for a, b in zip(begins, ideal, strict=True))
    if constant:
        begins = ideal
    else:
        rate = _usual_rate(begins)
    offset = stamps[0] * base - ffmpeg.start_time(path) if ffmpeg.find() else Fraction(0)
    # ffmpeg prints the start in microseconds: what is closer than that is no offset.
    return _Source(begins, offset if abs(offset) > Fraction(1, 10_000) else Fraction(0), constant, rate)


def _times(path: Path) -> dict[str, Any]:
    # BestSource does not declare the values that it returns here, and the core warns of it on every call.
    logger = logging.getLogger("vapoursynth")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        times: dict[str, Any] = core.bs.VideoSource(str(path), exporttimestamps=1)
    finally:
        logger.setLevel(level)
    return times


def _usual_rate(begins: list[Fraction]) -> Fraction:
    """The rate of film or television that most frames of a clip of varying rate come at, or what is measured."""
    steps = sorted(b - a for a, b in itertools.pairwise(begins))
    median = steps[len(steps) // 2]
    # Rounding to milliseconds goes both ways: the mean of the steps near the median is what was meant.
    near = [step for step in steps if abs(step - median) <= Fraction(2, 1000)]
    measured = len(near) / sum(near, Fraction(0))
    known = [Fraction(n) for n in (12, 15, 24, 25, 30, 48, 50, 60, 100, 120)]
    known += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]
    nearest = min(known, key=lambda rate: abs(rate - measured))
    return nearest if abs(nearest - measured) < measured / 100 else measured.limit_denominator(1001)


def script(job: Job) -> str:
    """The script that a job stands for: what `vsvfi render` itself evaluates."""
    return _script(job, _inspect(job.source))


def _script(job: Job, source: _Source) -> str:
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


def _evaluate(text: str) -> Clip:
    import vapoursynth as vs

    vs.clear_outputs()
    try:
        exec(compile(text, "<vsvfi render>", "exec"), {"__name__": "__vapoursynth__"})
        output: Any = vs.get_output(0)
        return output.clip
    finally:
        vs.clear_outputs()


def _for_encoding(clip: Clip) -> Clip:
    """The clip in a format that goes through a yuv4mpegpipe."""
    import vapoursynth as vs
    from vsutil import depth

    fmt = clip.format
    if fmt.color_family == vs.RGB:
        fmt = core.query_video_format(vs.YUV, fmt.sample_type, fmt.bits_per_sample, 0, 0)
        clip = clip.resize.Bicubic(format=fmt.id, matrix=vs.MATRIX_BT709)
    return depth(clip, 16, vs.INTEGER) if fmt.sample_type == vs.FLOAT else clip


class _Segments:
    """Where segments end: at the first scene change after the usual length, looked for as rendering goes on."""

    def __init__(self, source: _Source, path: Path, fps: Fraction, frames: int, seconds: float) -> None:
        self._source, self._fps, self._frames = source, fps, frames
        self._length = Fraction(max(seconds, 0.0))
        self._scenes = core.vsvfi.DetectScenes(core.bs.VideoSource(str(path)))

    def end(self, start: int) -> int:
        """The output frame before which the segment that begins with output frame ``start`` ends."""
        begin = start / self._fps
        first = max(1, bisect_left(self._source.begins, begin + self._length))
        for number in range(first, len(self._source.begins)):
            time = self._source.begins[number]
            with self._scenes.get_frame(number) as frame:
                cut = frame.props.get("_SceneChangePrev", 0)
            if cut or time > begin + LONGEST * self._length:
                end = math.ceil(time * self._fps)
                if end > start:
                    return min(end, self._frames)
        return self._frames


@dataclass(frozen=True, slots=True)
class _Segment:
    """A finished segment: output frames ``start`` to ``end`` (not included), in ``file``."""

    start: int
    end: int
    file: str


class _Work:
    """The folder of an unfinished render: what it is of, and the segments that are done."""

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f"{out.name}.vsvfi-parts")
        self._state = self.folder / "state.json"
        self._identity = dict(identity)
        self.segments: list[_Segment] = []

    def begin(self, *, resume: bool, overwrite: bool) -> None:
        """Take up what is there, or start anew.

        Raises:
            VsvfiError: there is an unfinished render, and nothing was said of it; or it is of something else.
        """
        if self._state.is_file() and not overwrite:
            if not resume:
                raise VsvfiError(
                    f"an unfinished render is in {self.folder}: go on with --resume, or start anew with --overwrite"
                )
            state = json.loads(self._state.read_text())
            if state["identity"] != self._identity:
                raise VsvfiError(
                    f"the unfinished render in {self.folder} was begun with another source or other settings: "
                    "repeat those, or start anew with --overwrite"
                )
            self.segments = [_Segment(**segment) for segment in state["segments"]]
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save()

    def add(self, segment: _Segment) -> None:
        """Remember a finished segment."""
        self.segments.append(segment)
        self._save()

    def _save(self) -> None:
        state = {"identity": self._identity, "segments": [asdict(segment) for segment in self.segments]}
        partial = self._state.with_suffix(".tmp")
        partial.write_text(json.dumps(state, indent=1))
        partial.replace(self._state)

    @property
    def done(self) -> int:
        """The first output frame that is still to make."""
        return self.segments[-1].end if self.segments else 0


def _encoder_arguments(encoding: Encoding, clip: Clip) -> list[str]:
    with clip.get_frame(0) as frame:
        props = dict(frame.props)
    arguments = ["-c:v", encoding.encoder]
    if encoding.encoder in ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9"):
        arguments += ["-crf", str(encoding.crf)]
    if encoding.encoder in ("libx264", "libx265") or (encoding.encoder == "libsvtav1" and encoding.preset.isdigit()):
        arguments += ["-preset", encoding.preset]
    hdr = color_tags.hdr_parameters(props)
    if hdr and encoding.encoder in ("libx264", "libx265"):
        is_265 = encoding.encoder == "libx265"
        names = ("master-display", "max-cll") if is_265 else ("mastering-display", "cll")
        pairs = [f"{name}={hdr[key]}" for name, key in zip(names, ("display", "light"), strict=True) if key in hdr]
        arguments += [f"-{encoding.encoder[3:]}-params", ":".join([*(["hdr10=1"] if is_265 else []), *pairs])]
    tags = color_tags.tagging_filter(props)
    subsampled = clip.format.subsampling_w or clip.format.subsampling_h
    flags = color_tags.encoder_flags(props, subsampled=bool(subsampled))
    return [*(["-vf", tags] if tags else []), *arguments, *flags, *shlex.split(encoding.options)]


def _encode(clip: Clip, target: Path, arguments: list[str], advance: Callable[[int], None]) -> None:
    """Encode a clip into a NUT file, which keeps times exactly.

    Raises:
        EncoderError: ffmpeg failed, or ended before the last frame.
    """
    partial = target.with_suffix(".part")
    command = [ffmpeg.require(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-f", "yuv4mpegpipe"]
    command += ["-i", "-", *arguments, "-f", "nut", str(partial)]
    with tempfile.TemporaryFile() as said:
        # In a group of its own: Ctrl-C is for this process, which ends the encoder.
        options: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"process_group": 0}
        options |= {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
        process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)
        assert process.stdin is not None
        broken: OSError | None = None
        try:
            with suppress(BrokenPipeError), process.stdin:
                try:
                    clip.output(process.stdin, y4m=True, progress_update=lambda done, _: advance(done))
                except OSError as error:  # the encoder went away: what it said itself is the better message
                    broken = error
            process.wait()
        except BaseException:
            process.kill()
            process.wait()
            partial.unlink(missing_ok=True)
            raise
        said.seek(0)
        message = said.read().decode(errors="replace")
    if process.returncode != 0 or broken is not None:
        partial.unlink(missing_ok=True)
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit status {process.returncode}"
        reason = ffmpeg.last_words(message) if message.strip() else f"ended early ({how})"
        raise ffmpeg.EncoderError(f"the encoder failed: {reason}; go on with --resume when that is mended")
    partial.replace(target)


_TEXT_SUBTITLES = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")


def _join(work: _Work, source: Path, out: Path, fps: Fraction, offset: Fraction, console: Console) -> None:
    """Put the segments together with the source's other streams; the final name appears last."""
    listing = work.folder / "segments.txt"
    lines = ["ffconcat version 1.0"]
    for segment in work.segments:
        lines += [f"file '{segment.file}'", f"duration {float((segment.end - segment.start) / fps):.9f}"]
    listing.write_text("\n".join(lines) + "\n")
    partial = work.folder / f"joined{out.suffix}"
    command = ["-y", "-itsoffset", f"{float(offset):.9f}", "-f", "concat", "-safe", "0", "-i", str(listing)]
    command += ["-i", str(source), "-map", "0:v:0", "-map", "1:a?", *_others(source, out, console)]
    command += ["-map_metadata", "1", "-map_chapters", "1", "-c:v", "copy", "-c:a", "copy"]
    if out.suffix == ".mkv":
        # Sound that is not heard (the encoder's delay, what an edit list hides) lies before zero: Matroska has no
        # place for it, and ffmpeg would move the picture to make room.
        command += ["-bsf:a", r"noise=drop=lt(pts\,0)", "-avoid_negative_ts", "disabled"]
    else:
        command += ["-movflags", "+faststart", "-video_track_timescale", str(_timescale(fps))]
        if work.folder.joinpath(work.segments[0].file).read_bytes()[:4096].find(b"HEVC") >= 0:
            command += ["-tag:v", "hvc1"]
    try:
        ffmpeg.run([*command, str(partial)], f"cannot put {out.name} together")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _timescale(fps: Fraction) -> int:
    """A time base in which frames last whole ticks and that is fine enough for the offset of the sound."""
    return fps.numerator * max(1, math.ceil(12_000 / fps.numerator))


def _others(source: Path, out: Path, console: Console) -> list[str]:
    """Subtitles and attachments, as far as the container holds them."""
    chosen: list[str] = []
    kept = 0
    for stream in ffmpeg.streams(source):
        if stream.kind == "Subtitle":
            if out.suffix == ".mkv":
                codec = "srt" if stream.codec == "mov_text" else "copy"
            elif stream.codec in _TEXT_SUBTITLES:
                codec = "mov_text"
            else:
                console.print(f"[yellow]{out.suffix} cannot hold the {stream.codec} subtitles; .mkv can[/]")
                continue
            chosen += ["-map", f"1:{stream.index}", f"-c:s:{kept}", codec]
            kept += 1
        elif stream.kind == "Attachment" and out.suffix == ".mkv":
            chosen += ["-map", f"1:{stream.index}"]
    return [*chosen, *(["-c:t", "copy"] if out.suffix == ".mkv" else [])]


def render(
    job: Job,
    out: Path,
    encoding: Encoding,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console,
) -> None:
    """Interpolate a whole video.

    Args:
        job: what to interpolate, and how.
        out: the file to write; its suffix is the container.
        encoding: how the picture is encoded.
        resume: go on after the last finished segment of an unfinished render.
        overwrite: replace ``out``, and start an unfinished render anew.
        console: where progress goes.

    Raises:
        VsvfiError: what cannot be done, or failed; nothing is left under the name of ``out``.
    """
    if out.suffix not in CONTAINERS:
        raise VsvfiError(f"the output must end in {', '.join(CONTAINERS)}, got {out.name!r}")
    if out.exists() and not overwrite:
        raise VsvfiError(f"{out} is there already; replace it with --overwrite")
    if out.resolve() == job.source.resolve():
        raise VsvfiError("the output cannot be the source itself")
    program = ffmpeg.require()
    if not ffmpeg.has_encoder(program, encoding.encoder):
        raise VsvfiError(f"{program} has no encoder {encoding.encoder!r}; see: ffmpeg -encoders")
    source = _inspect(job.source)
    text = _script(job, source)
    clip = _for_encoding(_evaluate(text))
    fps = Fraction(clip.fps)
    status = job.source.stat()
    identity = {"script": text, "size": status.st_size, "mtime": status.st_mtime, "encoding": asdict(encoding)}
    work = _Work(out, identity)
    work.begin(resume=resume, overwrite=overwrite)
    out_is_whole = False
    segments = _Segments(source, job.source, fps, len(clip), encoding.segment_seconds)
    try:
        _render_segments(work, clip, segments, encoding, console)
        _join(work, job.source, out, fps, source.offset, console)
        out_is_whole = True
    except KeyboardInterrupt:
        raise VsvfiError(f"interrupted at frame {work.done} of {len(clip)}; go on with --resume") from None
    finally:
        if out_is_whole or not work.segments:
            shutil.rmtree(work.folder)
    console.print(f"Written: {out}", soft_wrap=True)


def _render_segments(work: _Work, clip: Clip, segments: _Segments, encoding: Encoding, console: Console) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    arguments = _encoder_arguments(encoding, clip)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"))
    speed = TextColumn("{task.fields[speed]}")
    with Progress(*columns, speed, TimeRemainingColumn(elapsed_when_finished=True), console=console) as progress:
        task = progress.add_task("Rendering", total=len(clip), completed=work.done, speed="")
        while work.done < len(clip):
            start = work.done
            end = segments.end(start)
            name = f"{len(work.segments):05d}.nut"

            def advance(done: int, start: int = start) -> None:
                rate = progress.tasks[task].speed
                progress.update(task, completed=start + done, speed=f"{rate:.1f} fps" if rate else "")

            _encode(clip[start:end], work.folder / name, arguments, advance)
            work.add(_Segment(start, end, name))
