"""`vsvfi render` on small films: everything is carried over and in sync, and nothing broken is left behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV reads what was written; it is in vsvfi[dev]")

import vapoursynth as vs
from media import contents, make_film
from rich.console import Console

from vsvfi.commands import color_tags, ffmpeg
from vsvfi.commands.clips import Clip, core
from vsvfi.commands.render import command, encode
from vsvfi.commands.render.cuts import Stretch, cut_finder, find_cuts
from vsvfi.commands.render.job import Encoding, Job, Rate, rate_from
from vsvfi.commands.render.plan import Segment, segments
from vsvfi.commands.render.script import evaluate, for_encoding, opening_of
from vsvfi.commands.render.source import inspect
from vsvfi.commands.versions import versions
from vsvfi.commands.workers.demands import Demands
from vsvfi.errors import VsvfiError

pytestmark = [
    pytest.mark.skipif(ffmpeg.find() is None, reason="ffmpeg is not there"),
    pytest.mark.skipif(not hasattr(vs.core, "bs"), reason="BestSource is not there"),
]

DELAY = 1024 / 48000
"""The delay of AAC encoders: it is not heard, and versions of ffmpeg differ in whether a header counts it."""

FAST = Encoding(preset="ultrafast", options="-threads 1", segment_seconds=0.5)


def _console() -> Console:
    return Console(file=StringIO(), width=200)


def _job(source: Path, **options: Any) -> Job:
    rate = options.pop("rate", Rate(Fraction(2)))
    return Job(source=source, rate=rate, filter={"model": "flow", "quality": "fast", **options})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def rendered(film: Path) -> Path:
    out = film.with_name("out.mkv")
    command.render(_job(film), out, FAST, console=_console())
    return out


def test_everything_is_carried_over(film: Path, rendered: Path) -> None:
    before, after = contents(film), contents(rendered)
    assert after.kinds == ["video", "audio", "subtitle"]
    assert after.chapters == ["First", "Second"]
    assert after.title == "A small film"
    assert after.colour == before.colour == (1, 1, 1, 1)
    assert after.sample_aspect == Fraction(8, 9)


def test_picture_and_sound_stay_in_sync(film: Path, rendered: Path) -> None:
    before, after = contents(film), contents(rendered)
    frame = 1001 / 48000
    assert len(after.frames) == 2 * len(before.frames)
    assert after.frames[0] == pytest.approx(before.frames[0], abs=0.0015)
    assert after.sound[1] == pytest.approx(before.sound[1], abs=frame)
    assert after.sound[0] == pytest.approx(max(0.0, before.sound[0]), abs=DELAY)
    assert after.duration == pytest.approx(before.duration, abs=frame + DELAY)
    steps = [b - a for a, b in zip(after.frames, after.frames[1:], strict=False)]
    assert max(steps) <= frame + 0.0015  # Matroska counts milliseconds
    assert min(steps) >= frame - 0.0015


def test_no_work_is_left_behind(rendered: Path) -> None:
    assert not list(rendered.parent.glob("*.vsvfi-parts"))


def test_mp4_holds_the_same(film: Path) -> None:
    out = film.with_name("out.mp4")
    command.render(_job(film, rate=Rate(fps=Fraction(60000, 1001))), out, FAST, console=_console())
    before, after = contents(film), contents(out)
    assert after.kinds[:3] == ["video", "audio", "subtitle"]
    assert after.chapters == ["First", "Second"]
    assert after.colour == (1, 1, 1, 1)
    assert len(after.frames) == 120
    assert after.duration == pytest.approx(before.duration, abs=1001 / 60000 + DELAY)
    exact = [after.frames[0] + n * 1001 / 60000 for n in range(120)]
    assert after.frames == pytest.approx(exact, abs=1e-5)


def test_segments_end_at_scene_changes() -> None:
    begins = [Fraction(n, 24) for n in range(48)]
    cut_at_24 = {24}.__contains__
    assert list(segments(begins, Fraction(48), 96, 0.5, cut_at_24)) == [Segment(0, 48), Segment(48, 96)]
    # No cut near: a segment is not longer than six times what was asked for.
    assert next(segments(begins, Fraction(48), 96, 0.1, lambda n: False)) == Segment(0, 30)


def test_cuts_are_those_of_the_film(film: Path) -> None:
    opening = opening_of(_job(film), inspect(film))
    demands = Demands(model="flow", weights=(), versions=versions("flow"))
    pieces = [
        Stretch(opening=opening, threshold=None, demands=demands, first=first, last=first + 24) for first in (0, 24)
    ]
    assert [find_cuts(piece, lambda done: None) for piece in pieces] == [[], [24]]
    is_cut = cut_finder(opening, None)
    assert [n for n in range(48) if is_cut(n)] == [24]


def test_resume_goes_on_after_the_last_segment(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = film.with_name("resumed.mkv")
    encoded: list[str] = []

    encode_clip = encode.encode

    def fail_second(clip: Clip, target: Path, arguments: list[str], advance: Callable[..., None]) -> None:
        encoded.append(target.name)
        if len(encoded) == 2:
            raise KeyboardInterrupt
        encode_clip(clip, target, arguments, advance)

    monkeypatch.setattr(encode, "encode", fail_second)
    with pytest.raises(VsvfiError, match="interrupted at frame 48 of 96; continue with --resume"):
        command.render(_job(film), out, FAST, console=_console())
    assert not out.exists()
    with pytest.raises(VsvfiError, match=r"an unfinished render is in .*continue with --resume, or start over"):
        command.render(_job(film), out, FAST, console=_console())
    with pytest.raises(VsvfiError, match="begun with another settings"):
        command.render(_job(film, sc_mode="blend"), out, FAST, resume=True, console=_console())
    command.render(_job(film), out, FAST, resume=True, console=_console())
    assert encoded == ["000000000-000000048.segment", "000000048-000000096.segment", "000000048-000000096.segment"]
    assert len(contents(out).frames) == 96


def _fake_ffmpeg(folder: Path, body: str) -> Path:
    """An ffmpeg that behaves, but for encoding the picture."""
    path = folder / "ffmpeg-fake"
    path.write_text(f'#!/bin/sh\ncase "$*" in *yuv4mpegpipe*) {body};; esac\nexec {ffmpeg.find()} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("head -c 5000 >/dev/null; kill -9 $$", r"ended early \(signal 9\)"),
        (
            "head -c 5000 >/dev/null; echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1",
            "No space",
        ),
        ("exit 3", r"ended early \(exit status 3\)"),
    ],
)
def test_a_crash_of_the_encoder_leaves_no_broken_file(
    body: str, message: str, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mkv"
    fake = _fake_ffmpeg(tmp_path, body)
    with monkeypatch.context() as patch:
        patch.setenv("VSVFI_FFMPEG", str(fake))
        with pytest.raises(VsvfiError, match=f"the encoder failed: .*{message}"):
            command.render(_job(film), out, FAST, console=_console())
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == [fake.name]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_a_full_disk_is_said_and_resume_goes_on(film: Path, tmp_path: Path) -> None:
    import resource

    out = tmp_path / "out.mkv"
    words = [sys.executable, "-m", "vsvfi", "render", str(film), str(out), "--quality", "fast"]
    words += ["--encoder", "ffv1"]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=small_files, check=False)
    assert done.returncode == 1
    assert "vsvfi: the encoder failed:" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not out.exists()
    again = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(contents(out).frames) == 96


@pytest.mark.timeout(60)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_no_file_under_the_final_name(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    encoding = tmp_path / "encoding"
    os.mkfifo(encoding)
    fake = _fake_ffmpeg(tmp_path, f"echo begun > {encoding}; cat > /dev/null; sleep 60")
    environment = {**os.environ, "VSVFI_FFMPEG": str(fake)}
    words = [sys.executable, "-m", "vsvfi", "render", str(film), str(out)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert encoding.read_text() == "begun\n"  # blocks until the encoder is there
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted at frame 0 of 96" in said
    assert "Traceback" not in said
    assert not out.exists()


def test_the_printed_script_is_what_is_rendered(film: Path) -> None:
    job = _job(film, rate=Rate(Fraction(5, 2)), sc_mode="blend", device="cpu")
    text = command.script(job)
    assert "factor_num=5, factor_den=2" in text
    assert "sc_mode='blend'" in text
    assert "quality='fast'" in text
    assert "precision" not in text
    clip = evaluate(text)
    assert (clip.num_frames, clip.fps) == (120, Fraction(24000, 1001) * Fraction(5, 2))
    assert not vs.get_outputs()


def test_variable_frame_rates_become_constant_and_keep_time(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    uneven = "setpts='if(lt(N,12),N/24,0.5+(N-12)/12)/TB'"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=24:d=1", "-vf", f"{uneven},settb=1/1000", "-fps_mode", "vfr"]
    encode = ["-enc_time_base", "1/1000", "-c:v", "libx264", "-preset", "ultrafast", str(path)]
    ffmpeg.run([*picture, *encode], "test film")
    source = inspect(path)
    assert not source.constant
    assert abs(source.rate - 24) < Fraction(1, 10)
    job = _job(path, rate=Rate(fps=Fraction(60)))
    assert "def with_duration" in command.script(job)
    out = tmp_path / "out.mkv"
    command.render(job, out, FAST, console=_console())
    frames = contents(out).frames
    assert frames[-1] - frames[0] == pytest.approx(float(source.begins[-1]) + 1 / 12 - 1 / 60, abs=0.05)


def test_there_is_a_word_for_everything_that_cannot_be(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        (film, FAST, "is there already; replace it with --overwrite"),
        (tmp_path / "out.mkv", Encoding(encoder="libx999"), "has no encoder 'libx999'"),
    ]
    for out, encoding, message in cases:
        with pytest.raises(VsvfiError, match=message):
            command.render(_job(film), out, encoding, console=_console())
    with pytest.raises(VsvfiError, match="the output cannot be the source itself"):
        command.render(_job(film), film, FAST, overwrite=True, console=_console())
    with pytest.raises(VsvfiError, match=r"there is no video .*none\.mkv"):
        command.render(_job(tmp_path / "none.mkv"), tmp_path / "out.mkv", FAST, console=_console())
    monkeypatch.setenv("VSVFI_FFMPEG", str(tmp_path / "nothing"))
    with pytest.raises(VsvfiError, match=r"no encoder: ffmpeg is needed .*pip install imageio-ffmpeg"):
        command.render(_job(film), tmp_path / "out.mkv", FAST, console=_console())


@pytest.mark.parametrize(
    ("factor", "fps", "expected"),
    [
        (None, None, Rate(Fraction(2))),
        ("4", None, Rate(Fraction(4))),
        ("2.5", None, Rate(Fraction(5, 2))),
        ("5/2", None, Rate(Fraction(5, 2))),
        (None, "60", Rate(fps=Fraction(60))),
        (None, "59.94", Rate(fps=Fraction(60000, 1001))),
        (None, "119.88", Rate(fps=Fraction(120000, 1001))),
        (None, "47.952", Rate(fps=Fraction(48000, 1001))),
        (None, "60000/1001", Rate(fps=Fraction(60000, 1001))),
        (None, "12.5", Rate(fps=Fraction(25, 2))),
    ],
)
def test_rates_are_read_as_people_write_them(factor: str | None, fps: str | None, expected: Rate) -> None:
    assert rate_from(factor, fps) == expected


@pytest.mark.parametrize(
    ("factor", "fps", "message"),
    [
        ("2.0", "60", "give --factor or --fps, not both"),
        ("1.0", None, "--factor must be greater than 1, such as 2, 2.5 or 5/2, got 1.0"),
        ("nan", None, "--factor must be greater than 1, such as 2, 2.5 or 5/2, got nan"),
        ("1e999999999", None, "--factor must be greater than 1"),
        (None, "fast", "--fps must be a rate such as 60, 59.94 or 60000/1001, got 'fast'"),
        (None, "1e400", "--fps must be a rate such as 60, 59.94 or 60000/1001, got '1e400'"),
        (None, "1/0", "--fps must be a rate"),
        (None, "0", "--fps must be a rate"),
    ],
)
def test_rates_that_make_no_sense_are_refused(factor: str | None, fps: str | None, message: str) -> None:
    with pytest.raises(VsvfiError, match=message):
        rate_from(factor, fps)


@pytest.mark.parametrize(
    ("form", "encoded"),
    [
        (vs.YUV420P10, vs.YUV420P10),
        (vs.GRAY8, vs.GRAY8),
        (vs.RGB24, vs.YUV444P8),
        (vs.RGBS, vs.YUV444P16),
        (vs.YUV422PH, vs.YUV422P16),
        (vs.GRAYS, vs.GRAY16),
    ],
)
def test_every_format_reaches_the_encoder_in_its_own_colours(form: int, encoded: int) -> None:
    clip = core.std.BlankClip(format=vs.RGB24, width=16, height=16, length=1, color=[200, 90, 30])
    matrix = {} if form in (vs.RGB24, vs.RGBS) else {"matrix": vs.MATRIX_BT709}
    ready = for_encoding(clip.resize.Bicubic(format=form, **matrix))
    assert ready.format.id == encoded
    seen = ready.resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_BT709).get_frame(0)
    if ready.format.color_family == vs.YUV:
        assert [int(seen[plane][0, 0]) for plane in range(3)] == pytest.approx([200, 90, 30], abs=2)


def test_hdr_is_described_in_the_words_of_x265() -> None:
    props = {
        "_Matrix": 9,
        "_Primaries": 9,
        "_Transfer": 16,
        "_Range": 0,
        "_ChromaLocation": 2,
        "MasteringDisplayPrimariesX": [0.708, 0.170, 0.131],
        "MasteringDisplayPrimariesY": [0.292, 0.797, 0.046],
        "MasteringDisplayWhitePointX": 0.3127,
        "MasteringDisplayWhitePointY": 0.3290,
        "MasteringDisplayMaxLuminance": 1000.0,
        "MasteringDisplayMinLuminance": 0.0001,
        "ContentLightLevelMax": 1000,
        "ContentLightLevelAverage": 400,
    }
    assert color_tags.hdr_parameters(props) == {
        "display": "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)",
        "light": "1000,400",
    }
    assert color_tags.tagging_filter(props) == (
        "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    )
    flags = color_tags.encoder_flags(props, subsampled=True)
    assert flags[-2:] == ["-chroma_sample_location", "topleft"]
    assert "-color_range" in flags


def test_nothing_is_claimed_of_untagged_video() -> None:
    props = {"_Matrix": 2, "_Primaries": 2, "_Transfer": 2, "_SARNum": 1, "_SARDen": 1}
    assert color_tags.tagging_filter(props) == ""
    assert color_tags.encoder_flags(props, subsampled=False) == []
    assert color_tags.hdr_parameters(props) == {}


def test_real_film_keeps_its_length(real_data: Path, tmp_path: Path) -> None:
    # A second and a half around a cut of the film, with its six channels of sound.
    source, out = tmp_path / "part.mp4", tmp_path / "out.mkv"
    film = real_data / "footage" / "big-buck-bunny-480p-30s.mp4"
    cut = ["-ss", "8", "-t", "1.5", "-i", str(film), "-vf", "scale=214:120", "-c:v", "libx264", "-preset", "ultrafast"]
    ffmpeg.run([*cut, "-c:a", "aac", str(source)], "test film")
    command.render(_job(source), out, FAST, console=_console())
    before, after = contents(source), contents(out)
    assert len(after.frames) == 2 * len(before.frames)
    assert after.frames[-1] + 1 / 48 == pytest.approx(before.frames[-1] + 1 / 24, abs=0.0015)
    assert after.sound[1] == pytest.approx(before.sound[1], abs=1 / 48)
    assert after.duration == pytest.approx(before.duration, abs=1 / 48 + DELAY)
