"""Fetching checkpoints from a server on this machine that breaks off, redirects, lies, asks, or has another file."""

from __future__ import annotations

import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from vsvfi.commands import weights as command
from vsvfi.errors import VsvfiError
from vsvfi.models import registry, weights
from vsvfi.models.info import BackendInfo, Checkpoint, Layout, Shapes


def build(_shapes: Shapes) -> nn.Module:
    return nn.Linear(64, 64)


def published(value: float = 1.0) -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": torch.full((64, 64), value), "bias": torch.zeros(64)}, stream)
    return stream.getvalue()


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("models/small.pth", content)
    return stream.getvalue()


QUESTION = b"""<!DOCTYPE html><html><body><form id="download-form" action="/file" method="get">
<input type="submit" value="Download anyway"><input type="hidden" name="confirm" value="t"></form></body></html>"""


class Handler(BaseHTTPRequestHandler):
    """What the path says: ``/file``, ``/broken`` ..."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        name = self.path.partition("?")[0].rsplit("/")[-1]
        content = self.server.content
        if name == "redirect":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name == "question" or name == "page":
            self.answer(QUESTION if name == "question" else b"<html>Sign in</html>", kind="text/html")
        elif name == "unlabelled":
            self.answer(b"<html>Sign in</html>")
        elif name == "zip":
            self.answer(zipped(content))
        elif name == "long":
            self.answer(content, length=len(content) + 1000)
        elif name == "short":
            self.answer(content, length=len(content) // 2)
        elif name == "huge":
            self.answer(content, length=2**60)
        elif name in ("broken", "weak"):
            self.part(content, 'W/"1"' if name == "weak" else '"1"', stop=len(content) // 3)
        elif name == "changing":
            self.part(content, f'"{len(self.server.asked)}"', stop=len(content) // 3)
        elif name in ("file", "small.pth"):
            self.part(content, '"1"')
        else:
            self.send_error(404)

    def answer(self, content: bytes, *, kind: str = "application/octet-stream", length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def part(self, content: bytes, tag: str, stop: int | None = None) -> None:
        """Serve ranges; with ``stop``, send so many bytes and break off."""
        start = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if stop is None else content[start : start + stop])
        self.close_connection = True


class Server(ThreadingHTTPServer):
    """Serves ``content`` and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = published()
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "VSVFI_WEIGHTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def model(monkeypatch: pytest.MonkeyPatch, *sources: str, sha256: str | None = None) -> BackendInfo:
    """A model whose one checkpoint has these sources."""
    checkpoint = Checkpoint(
        name="best", file="small.pth", url="https://example.org/", license="MIT", sources=sources, sha256=sha256
    )
    info = BackendInfo(
        name="small",
        summary="for tests",
        backend="nowhere:Nothing",
        build=f"{__name__}:build",
        checkpoints=(checkpoint,),
        layouts=(Layout(has_all=("weight", "bias")),),
    )
    monkeypatch.setattr(registry, "backends", lambda: {"small": info})
    monkeypatch.setattr(registry, "enhancers", dict)
    monkeypatch.setattr(registry, "networks", dict)
    monkeypatch.setattr(registry, "enhancers", dict)
    return info


def fetch(info: BackendInfo, origin: str | None = None) -> weights.Stored:
    return weights.get(info, info.checkpoints[0], origin=origin, report=lambda *_: None)


@pytest.mark.parametrize("path", ["file", "redirect", "question", "zip#models/small.pth", "broken"])
def test_a_file_is_fetched_and_kept(server: Server, monkeypatch: pytest.MonkeyPatch, data: Path, path: str) -> None:
    info = model(monkeypatch, server.url(path))
    stored = fetch(info)
    assert (stored.model, stored.name) == ("small", "best")
    assert weights.load(info).state_dict()["weight"].eq(1).all()
    assert not [file for file in (data / "downloads").rglob("*") if file.is_file()]


def test_what_breaks_off_is_resumed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(model(monkeypatch, server.url("broken")))
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0 for _, wanted in server.asked]
    assert len(starts) == 3
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("path", ["changing", "weak"])
def test_another_version_is_never_appended(server: Server, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What broke off starts again where the server has another file by now, or cannot tell."""
    with pytest.raises(weights.WeightsError, match="broke off"):
        fetch(model(monkeypatch, server.url(path)))
    assert len(server.asked) == 2


def test_an_interrupted_download_goes_on_the_next_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    info = model(monkeypatch, server.url("broken"))
    monkeypatch.setattr("vsvfi.models.weights.download.ATTEMPTS", 1)
    with pytest.raises(weights.WeightsError, match="bytes are kept for the next try"):
        fetch(info)
    (partial,) = data.rglob("*.part")
    assert partial.stat().st_size == len(server.content) // 3
    monkeypatch.setattr("vsvfi.models.weights.download.ATTEMPTS", 5)
    fetch(info)
    assert server.asked[1][1] == f"bytes={len(server.content) // 3}-"


def test_a_complete_download_is_not_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    """The server says that nothing follows."""
    info = model(monkeypatch, server.url("broken"))
    monkeypatch.setattr("vsvfi.models.weights.download.ATTEMPTS", 1)
    with pytest.raises(weights.WeightsError):
        fetch(info)
    (partial,) = data.rglob("*.part")
    partial.write_bytes(server.content)
    assert fetch(info).name == "best"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nothing", "answered 404"),
        ("page", "sent a web page"),
        ("unlabelled", "sent a web page"),
        ("long", "broke off"),
        ("short", "is damaged or not a weights file"),
        ("huge", "more than there is room for"),
        ("zip#models/other.pth", r"has no models/other\.pth"),
        ("file#models/other.pth", "has no models/other"),
    ],
)
def test_what_is_no_checkpoint_is_said_and_not_kept(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    info = model(monkeypatch, server.url(path))
    with pytest.raises(weights.WeightsError, match=reason) as failed:
        fetch(info)
    assert server.url(path.partition("#")[0]) in str(failed.value)
    assert "get it by hand from https://example.org/" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert weights.stored("small") == []


def test_sources_are_tried_in_order(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(model(monkeypatch, server.url("nothing"), server.url("page"), server.url("file"), server.url("never")))
    assert [path for path, _ in server.asked] == ["/nothing", "/page", "/file"]


def test_another_file_than_the_published_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(weights.WeightsError, match="another file than the one published: sha256 "):
        fetch(model(monkeypatch, server.url("small.pth"), sha256="0" * 64))
    # The same weights in a file of another name have other bytes.
    assert fetch(model(monkeypatch, server.url("small.pth"), server.url("file"), sha256="0" * 64)).name == "best"


def test_the_first_file_is_remembered(server: Server, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Where no digest was published, the next file must be the same."""
    info = model(monkeypatch, server.url("file"))
    fetch(info)
    fetch(info)
    server.content = published(2.0)
    with pytest.raises(weights.WeightsError, match=r"another file than the one seen before, by .*checksums\.json"):
        fetch(info)
    assert weights.load(info).state_dict()["weight"].eq(1).all()


def test_a_mirror_is_tried_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSVFI_WEIGHTS_MIRROR", server.url("mirror"))
    fetch(model(monkeypatch, server.url("file")))
    assert [path for path, _ in server.asked] == ["/mirror/small/small.pth"]
    monkeypatch.setenv("VSVFI_WEIGHTS_MIRROR", server.url("page/"))
    assert weights.sources(model(monkeypatch, "a"), model(monkeypatch, "a").checkpoints[0])[-1] == "a"


def test_without_a_network_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = model(monkeypatch, "http://127.0.0.1:9/never")
    with pytest.raises(weights.WeightsError, match="there is no such file"):
        fetch(info, str(tmp_path))
    (tmp_path / "small.pth").write_bytes(published())
    assert fetch(info, str(tmp_path)).name == "best"
    assert (tmp_path / "small.pth").is_file()


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    info = model(monkeypatch, "http://127.0.0.1:9/small.pth")
    with pytest.raises(weights.WeightsError, match="no connection"):
        fetch(info)


def test_proxies_are_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    fetch(model(monkeypatch, "http://weights.invalid/file"))
    assert server.asked == [("http://weights.invalid/file", None)]


def test_the_command_shows_the_licence_and_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; and where nobody can answer it says what to add."""
    info = model(monkeypatch, server.url("file"))
    with pytest.raises(weights.MissingWeightsError, match="get them with: vsvfi weights get small"):
        weights.locate(info)
    console = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(VsvfiError, match="add --yes"):
        command.get_weights("small", None, None, yes=False, console=console)
    assert isinstance(console.file, io.StringIO)
    assert "licence: MIT" in console.file.getvalue()
    assert server.asked == []
    command.get_weights("small", "best", None, yes=True, console=console)
    assert "small.pth is small; kept as 'best'" in console.file.getvalue()
    with pytest.raises(weights.WeightsError, match="small has no checkpoint 'worst'; known are best"):
        command.get_weights("small", "worst", None, yes=True, console=console)
