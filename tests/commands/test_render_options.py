"""What `vsvfi render` can be asked for beside a rate: parts, slow motion, containers, encoders, several inputs."""

from __future__ import annotations

from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV reads what was written; it is in vsvfi[dev]")

import av
import vapoursynth as vs
from media import contents, frame_digests, make_film
from rich.console import Console
from typer.testing import CliRunner

from vsvfi.commands import ffmpeg
from vsvfi.commands.cli import app
from vsvfi.commands.ffmpeg import Stream
from vsvfi.commands.render import command
from vsvfi.commands.render.encoders import encoding_for
from vsvfi.commands.render.job import Job, Rate
from vsvfi.commands.render.join import others_of
from vsvfi.commands.render.source import inspect, part_of
from vsvfi.errors import VsvfiError

pytestmark = [
    pytest.mark.skipif(ffmpeg.find() is None, reason="ffmpeg is not there"),
    pytest.mark.skipif(not hasattr(vs.core, "bs"), reason="BestSource is not there"),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"))


def _render(film: Path, out: Path, encoder: str = "", **job: Any) -> str:
    said = StringIO()
    encoding = encoding_for(out, encoder=encoder, crf=None, preset="", options="", segment_seconds=0.5)
    asked = Job(source=film, filter={"quality": "fast"}, **job)
    command.render(asked, out, encoding, console=Console(file=said, width=200))
    return said.getvalue()


def test_a_part_is_the_same_frames_with_its_own_sound(film: Path, tmp_path: Path) -> None:
    _render(film, tmp_path / "whole.mkv", "lossless")
    _render(film, tmp_path / "part.mkv", "lossless", start="12", end="0:1.5")
    whole, part = frame_digests(tmp_path / "whole.mkv"), frame_digests(tmp_path / "part.mkv")
    # From frame 12 to the first frame at or after 1.5 s, 36; the last one is held in a part, and goes on in the whole.
    assert part[:-1] == whole[24:71]
    after = contents(tmp_path / "part.mkv")
    assert after.sound[0] == pytest.approx(0, abs=0.03)
    assert after.sound[1] == pytest.approx(1.001, abs=0.05)


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [(None, "10", (0, 10)), ("0:01", None, (24, 48)), ("0.5", "40", (12, 40)), ("0:00:01.5", None, (36, 48))],
)
def test_parts_are_named_by_frames_and_by_times(
    start: str | None, end: str | None, frames: tuple[int, int], film: Path
) -> None:
    part = part_of(inspect(film), start, end)
    assert (part.first, part.last) == frames
    assert part.begins[0] == 0


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("soon", None, "--start must be a source frame's number, or a time such as 1:30.5 or 90.5, got 'soon'"),
        ("1:2:3:4", None, "--start must be a source frame's number"),
        ("40", "30", "--start and --end must have frames between them: got 40 to 30 of 48"),
        (None, "49", "--start and --end must have frames between them: got 0 to 49 of 48"),
        ("1:00", None, "--start and --end must have frames between them: got 48 to 48 of 48"),
    ],
)
def test_parts_that_are_none_are_refused(start: str | None, end: str | None, message: str, film: Path) -> None:
    with pytest.raises(VsvfiError, match=message):
        part_of(inspect(film), start, end)


def test_slow_motion_has_the_rate_of_the_source_and_says_what_it_leaves_behind(film: Path, tmp_path: Path) -> None:
    said = _render(film, tmp_path / "slow.mkv", rate=Rate(Fraction(4)), slow=True)
    after = contents(tmp_path / "slow.mkv")
    assert after.kinds == ["video"]
    assert len(after.frames) == 4 * 48
    assert after.frames[-1] == pytest.approx(191 * 1001 / 24000, abs=0.002)
    assert "slow motion leaves the aac sound behind" in said
    assert "slow motion leaves the subrip subtitles behind" in said


@pytest.mark.parametrize(
    ("name", "encoder", "codec"),
    [
        ("out.webm", "", "vp9"),
        ("out.mov", "prores", "prores"),
        ("out.mkv", "lossless", "ffv1"),
        ("out.mkv", "h265", "hevc"),
    ],
)
def test_containers_and_encoders_keep_length_and_colours(
    name: str, encoder: str, codec: str, film: Path, tmp_path: Path
) -> None:
    _render(film, tmp_path / name, encoder)
    after = contents(tmp_path / name)
    assert after.codec.removeprefix("lib") == codec or codec in after.codec
    assert len(after.frames) == 96
    assert after.colour == (1, 1, 1, 1)
    assert "audio" in after.kinds


def test_an_attached_picture_is_kept(film: Path, tmp_path: Path) -> None:
    cover, source, out = tmp_path / "cover.jpg", tmp_path / "covered.mkv", tmp_path / "out.mkv"
    ffmpeg.run(["-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", str(cover)], "cover")
    attach = ["-attach", str(cover), "-metadata:s:t", "mimetype=image/jpeg", "-metadata:s:t", "filename=cover.jpg"]
    ffmpeg.run(["-i", str(film), "-map", "0", "-c", "copy", *attach, str(source)], "covered film")
    assert any(stream.attached_picture for stream in ffmpeg.streams(source))
    _render(source, out)
    assert any(stream.attached_picture for stream in ffmpeg.streams(out))
    with av.open(out) as file:
        assert sum(1 for _ in file.decode(video=0)) == 96


def test_what_a_container_cannot_hold_is_said() -> None:
    streams = [
        Stream(0, "Video", "h264"),
        Stream(1, "Audio", "flac"),
        Stream(2, "Subtitle", "hdmv_pgs_subtitle"),
        Stream(3, "Video", "h264"),
        Stream(4, "Attachment", "ttf"),
        Stream(5, "Data", "bin_data"),
        Stream(6, "Video", "mjpeg", attached_picture=True),
    ]
    others = others_of(streams, ".webm")
    assert others.options == ["-map", "1:1", "-c:a:0", "libopus"]
    assert others.remarks == [
        ".webm cannot hold flac sound, which becomes opus",
        ".webm cannot hold the hdmv_pgs_subtitle subtitles; .mkv can",
        "only the first picture is rendered: stream 3 is left behind",
        ".webm cannot hold the attachment in stream 4, which is left behind",
        ".webm cannot hold the data in stream 5, which is left behind",
        ".webm cannot hold the attached picture; .mkv can",
    ]
    matroska = others_of(streams, ".mkv")
    assert matroska.remarks == [
        "only the first picture is rendered: stream 3 is left behind",
        ".mkv cannot hold the data in stream 5, which is left behind",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"out": Path("out.avi")}, r"the output must end in \.mkv, \.mp4, \.m4v, \.mov, \.webm.*, got 'out\.avi'"),
        ({"out": Path("out.webm"), "encoder": "h264"}, r"\.webm holds VP9 and AV1, not h264"),
        ({"crf": 52}, "--crf of libx264 must be from 0 to 51, got 52"),
        ({"encoder": "lossless", "crf": 3}, "ffv1 has no --crf"),
        ({"segment_seconds": float("nan")}, "--segment must be seconds above 0, got nan"),
        ({"segment_seconds": 0.0}, "--segment must be seconds above 0, got 0"),
        ({"options": "-x 'y"}, "--encoder-options cannot be read: No closing quotation; got"),
    ],
)
def test_encodings_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    usual = {"out": Path("out.mkv"), "encoder": "", "crf": None, "preset": "", "options": "", "segment_seconds": 1.0}
    with pytest.raises(VsvfiError, match=message):
        encoding_for(**{**usual, **given})


def test_a_hardware_encoder_is_told_the_quality_in_its_own_words() -> None:
    from vsvfi.commands.clips import core
    from vsvfi.commands.render.encode import encoder_arguments

    encoding = encoding_for(
        Path("out.mkv"), encoder="hevc_nvenc", crf=21, preset="", options="-bf 2", segment_seconds=1.0
    )
    words = encoder_arguments(encoding, core.std.BlankClip(format=vs.YUV420P8, width=64, height=64))
    assert " -cq 21 -preset p5 " in f" {' '.join(words)} "
    assert words[-4:] == ["-bf", "2", "-f", "nut"]


def test_several_inputs_go_into_a_folder(film: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    other.write_bytes(film.read_bytes())
    folder = tmp_path / "out"
    words = ["render", str(film), str(other), str(folder), "--quality", "fast", "--end", "4"]
    assert "several inputs go into a folder" in str(CliRunner().invoke(app, words).exception)
    folder.mkdir()
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in folder.iterdir()) == ["film.mkv", "other.mkv"]
    assert len(contents(folder / "other.mkv").frames) == 8


def test_all_options_of_the_filter_reach_it(film: Path) -> None:
    words = ["render", str(film), "--print-script", "--sc-threshold", "0.2", "--no-sc", "--duplicates", "bridge"]
    words += ["--tile", "128x64", "--weights", "a", "--weights", "b", "--factor", "5/2"]
    script = CliRunner().invoke(app, words).output
    assert "sc=0, sc_threshold=0.2" in script
    assert "weights=['a', 'b']" in script
    assert "tile=[128, 64]" in script
    assert "duplicates='bridge'" in script
    assert "factor_num=5, factor_den=2" in script
    assert "model" not in script


def test_an_output_whose_name_begins_with_a_dash(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _render(film, Path("-out.mkv"), end="4")
    assert len(contents(tmp_path / "-out.mkv").frames) == 8


def test_a_foreign_folder_is_left_alone(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.mkv.vsvfi-parts"
    folder.mkdir()
    (folder / "letters.txt").write_text("dear")
    with pytest.raises(VsvfiError, match=r"holds 'letters\.txt', which no render wrote: move the folder away"):
        _render(film, tmp_path / "out.mkv")
    assert (folder / "letters.txt").read_text() == "dear"


def test_a_damaged_state_is_one_line(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.mkv.vsvfi-parts"
    folder.mkdir()
    (folder / "state.json").write_text("{")
    encoding = encoding_for(tmp_path / "out.mkv", encoder="", crf=None, preset="", options="", segment_seconds=1)
    with pytest.raises(VsvfiError, match=r"state\.json is damaged: start over with --overwrite"):
        command.render(Job(source=film), tmp_path / "out.mkv", encoding, resume=True, console=Console(file=StringIO()))


def test_a_folder_that_is_not_there_is_one_line(film: Path, tmp_path: Path) -> None:
    with pytest.raises(VsvfiError, match=r"there is no folder .*nowhere"):
        _render(film, tmp_path / "nowhere" / "out.mkv")
    (tmp_path / "file").write_text("")
    with pytest.raises(VsvfiError, match=r"there is no folder .*file"):
        _render(film, tmp_path / "file" / "out.mkv")
