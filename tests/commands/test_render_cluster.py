"""`vsvfi render --cluster` on a real Ray cluster of several nodes on this machine, bound to 127.0.0.1."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV reads what was written; it is in vsvfi[dev]")
# Before Ray is imported: nodes have the address 127.0.0.1, and nothing is reported to anybody.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
pytest.importorskip("ray", reason="Ray is in vsvfi[cluster]")

import vapoursynth as vs
from media import frame_digests, make_long_film
from ray.cluster_utils import Cluster
from rich.console import Console

from vsvfi.commands import ffmpeg
from vsvfi.commands.render import command
from vsvfi.commands.render.job import Encoding, Job, Rate
from vsvfi.commands.workers.crew import Crew
from vsvfi.errors import VsvfiError

pytestmark = [
    pytest.mark.skipif(ffmpeg.find() is None, reason="ffmpeg is not there"),
    pytest.mark.skipif(not hasattr(vs.core, "bs"), reason="BestSource is not there"),
    pytest.mark.skipif(sys.platform != "linux", reason="clusters of several nodes on one machine"),
]

LOSSLESS = Encoding(encoder="ffv1", segment_seconds=0.4)
NODE: dict[str, Any] = {
    "num_cpus": 1,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 100 << 20,
    "include_dashboard": False,
}


def _started(attempts: int = 3) -> Cluster:
    """A head and another node. Ray gives a node 30 seconds to begin, which a busy machine may not keep."""
    for attempt in range(attempts):
        nodes = Cluster()
        try:
            nodes.add_node(**NODE)
            nodes.add_node(**NODE)
            return nodes
        except Exception:
            nodes.shutdown()  # type: ignore[no-untyped-call]
            if attempt == attempts - 1:
                raise
    raise AssertionError


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes; tests add a third one and take it away."""
    nodes = _started()
    yield nodes
    nodes.shutdown()  # type: ignore[no-untyped-call]


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
    command.render(job, out, LOSSLESS, console=Console(file=StringIO()))
    return frame_digests(out)


def _render(job: Job, out: Path, crew: Crew, **options: bool) -> str:
    said = StringIO()
    command.render(job, out, LOSSLESS, crew, console=Console(file=said, width=200), **options)
    return said.getvalue()


def _fake_ffmpeg(folder: Path, body: str) -> str:
    """An ffmpeg that does something else where ``body`` says so."""
    path = folder / "ffmpeg-fake"
    path.write_text(f'#!/bin/sh\ncase "$*" in {body};; esac\nexec {ffmpeg.find()} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _third(cluster: Cluster, program: str) -> Any:
    return cluster.add_node(**NODE, env_vars={"VSVFI_FFMPEG": program})


def test_a_node_that_is_killed_while_it_works_costs_no_frame(
    cluster: Cluster, job: Job, expected: list[str], tmp_path: Path
) -> None:
    busy = tmp_path / "busy"
    os.mkfifo(busy)
    third = _third(cluster, _fake_ffmpeg(tmp_path, f"*yuv4mpegpipe*) echo yes > {busy}; cat > /dev/null; exit 1"))

    def kill_when_busy() -> None:
        busy.read_text()  # blocks until the node's worker encodes
        cluster.remove_node(third, allow_graceful=False)

    killer = threading.Thread(target=kill_when_busy, daemon=True)
    killer.start()
    _render(job, tmp_path / "out.mkv", Crew(workers=None, cluster=cluster.address))
    killer.join()
    assert frame_digests(tmp_path / "out.mkv") == expected


def test_the_source_is_shipped_to_nodes_that_do_not_see_it(
    cluster: Cluster, job: Job, expected: list[str], tmp_path: Path
) -> None:
    _render(job, tmp_path / "out.mkv", Crew(workers=None, cluster=cluster.address, ship=True))
    assert frame_digests(tmp_path / "out.mkv") == expected


def test_a_node_with_another_encoder_is_refused_by_name(
    cluster: Cluster, job: Job, expected: list[str], tmp_path: Path
) -> None:
    third = _third(cluster, _fake_ffmpeg(tmp_path, "-version) echo ffmpeg version 0.1 Copyright; exit 0"))
    said = _render(job, tmp_path / "out.mkv", Crew(workers=3, cluster=cluster.address))
    cluster.remove_node(third)
    assert "is left out: its frames could differ: ffmpeg is 0.1, not" in said
    assert frame_digests(tmp_path / "out.mkv") == expected


def test_a_cluster_without_a_usable_node_is_one_line(
    cluster: Cluster, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSVFI_FFMPEG", _fake_ffmpeg(tmp_path, "-version) echo ffmpeg version 0.2 Copyright; exit 0"))
    with pytest.raises(VsvfiError, match="no machine of the cluster is left that can do the work"):
        _render(job, tmp_path / "out.mkv", Crew(workers=2, cluster=cluster.address))
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg-fake"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "there is no Ray cluster at 127.0.0.1:1: Connection refused"),
        ("ray://127.0.0.1:1", "there is no Ray cluster at ray://127.0.0.1:1: Connection refused"),
        ("somewhere", "--cluster must be HOST:PORT, ray://HOST:PORT or auto, got 'somewhere'"),
    ],
)
def test_an_address_that_does_not_answer_is_one_line(address: str, message: str, job: Job, tmp_path: Path) -> None:
    with pytest.raises(VsvfiError, match=message):
        _render(job, tmp_path / "out.mkv", Crew(workers=2, cluster=address))
    assert not list(tmp_path.iterdir())
