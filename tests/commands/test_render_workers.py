"""`vsvfi render --workers`: the same frames as from one process, whatever happens to workers."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV reads what was written; it is in vsvfi[dev]")

import vapoursynth as vs
from media import frame_digests, make_long_film
from rich.console import Console

from vsvfi.commands import ffmpeg
from vsvfi.commands.render import command
from vsvfi.commands.render.job import Encoding, Job, Rate
from vsvfi.commands.workers.crew import Crew
from vsvfi.errors import VsvfiError

pytestmark = [
    pytest.mark.skipif(ffmpeg.find() is None, reason="ffmpeg is not there"),
    pytest.mark.skipif(not hasattr(vs.core, "bs"), reason="BestSource is not there"),
]

LOSSLESS = Encoding(encoder="ffv1", segment_seconds=0.4)


def _render(job: Job, out: Path, workers: int, **options: bool) -> str:
    said = StringIO()
    console = Console(file=said, width=200)
    command.render(job, out, LOSSLESS, Crew(workers=workers), console=console, **options)
    return said.getvalue()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def job(film: Path) -> Job:
    return Job(source=film, filter={"quality": "fast", "duplicates": "bridge"}, rate=Rate(Fraction(5, 2)))


@pytest.fixture(scope="module")
def expected(job: Job, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The frames that one process makes."""
    out = tmp_path_factory.mktemp("expected") / "1.mkv"
    _render(job, out, 1)
    frames = frame_digests(out)
    assert len(set(frames)) > 100
    return frames


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_makes_the_same_frames(
    workers: int, job: Job, expected: list[str], tmp_path: Path
) -> None:
    _render(job, tmp_path / "out.mkv", workers)
    assert frame_digests(tmp_path / "out.mkv") == expected


@pytest.mark.parametrize(
    ("film", "rate", "options"),
    [
        ({"uneven": True}, Rate(fps=Fraction(60)), {"quality": "fast"}),
        ({"scene": 0.25}, Rate(Fraction(2)), {"model": "jnmr", "device": "cpu"}),
    ],
    ids=["variable rate", "windows of four frames"],
)
def test_two_workers_make_the_frames_of_one(
    film: dict[str, Any], rate: Rate, options: dict[str, str], tmp_path: Path
) -> None:
    job = Job(source=make_long_film(tmp_path, **film), rate=rate, filter=options)
    for workers in (1, 2):
        _render(job, tmp_path / f"{workers}.mkv", workers)
    frames = frame_digests(tmp_path / "1.mkv")
    assert len(set(frames)) > 25
    assert frame_digests(tmp_path / "2.mkv") == frames


def _fake_ffmpeg(folder: Path, body: str) -> Path:
    """An ffmpeg that behaves, but for encoding the picture."""
    path = folder / "ffmpeg-fake"
    path.write_text(f'#!/bin/sh\ncase "$*" in *yuv4mpegpipe*) {body};; esac\nexec {ffmpeg.find()} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_a_killed_worker_costs_no_frame(
    job: Job, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = _fake_ffmpeg(tmp_path, f"if mkdir {tmp_path}/once 2>/dev/null; then kill -9 $PPID; exit 1; fi")
    monkeypatch.setenv("VSVFI_FFMPEG", str(fake))
    said = _render(job, tmp_path / "out.mkv", 2)
    assert "failed, and is tried again: the worker ended" in said
    assert frame_digests(tmp_path / "out.mkv") == expected


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_what_always_fails_is_given_up_and_the_rest_kept(
    job: Job, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The encoder fails unless it may use another segment's name: the last one.
    body = "case $* in *000000180-*) ;; *) echo 'No space left on device' >&2; exit 1;; esac"
    out = tmp_path / "out.mkv"
    with monkeypatch.context() as patch:
        patch.setenv("VSVFI_FFMPEG", str(_fake_ffmpeg(tmp_path, body)))
        message = r"frames \d+-\d+ failed 3 times.*the encoder failed: No space left on device"
        with pytest.raises(VsvfiError, match=message):
            _render(job, out, 2)
    assert not out.exists()
    _render(job, out, 2, resume=out.with_name("out.mkv.vsvfi-parts").exists())
    assert frame_digests(out) == expected


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_render_is_resumed_and_leaves_no_worker(
    job: Job, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stuck = tmp_path / "out.mkv", tmp_path / "stuck"
    os.mkfifo(stuck)
    # Every encoder but the first finished one gets stuck; what it says is the id of the worker.
    body = f"if mkdir {tmp_path}/once 2>/dev/null; then :; else echo $PPID > {stuck}; cat > /dev/null; exit 1; fi"
    environment = {**os.environ, "VSVFI_FFMPEG": str(_fake_ffmpeg(tmp_path, body))}
    words = [sys.executable, "-m", "vsvfi", "render", str(job.source), str(out), "--workers", "2", "--factor", "2.5"]
    words += ["--encoder", "ffv1", "--segment", "0.4", "--quality", "fast"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, env=environment) as process:
        workers = [int(line) for line in stuck.read_text().split()]
        second = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
        assert f"out.mkv is being rendered by process {process.pid} on " in second.stderr
        process.send_signal(signal.SIGKILL)
    for worker in workers:
        _wait_for_end(worker)
    again = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(frame_digests(out)) == len(expected)


def _wait_for_end(process: int) -> None:
    """Wait until a process that is no child of this one has ended."""
    descriptor = os.pidfd_open(process)
    try:
        select.select([descriptor], [], [], 60)
    finally:
        os.close(descriptor)


def test_no_workers_are_refused(job: Job, tmp_path: Path) -> None:
    with pytest.raises(VsvfiError, match="--workers must be at least 1, or auto, got 0"):
        _render(job, tmp_path / "out.mkv", 0)
    assert not list(tmp_path.iterdir())
