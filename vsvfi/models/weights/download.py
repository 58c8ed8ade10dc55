"""Fetching published checkpoints: one source after the other, resumed, checked, unpacked.

A source is an address of a file; what follows a ``#`` names a member of a zip file. Google Drive's question whether to
go on without a virus scan is answered. Nothing that was fetched is kept before it was recognised and checked whole.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import override

from vsvfi.models.info import Checkpoint, NetworkInfo
from vsvfi.models.weights.errors import WeightsError
from vsvfi.models.weights.reading import kind_of
from vsvfi.models.weights.store import Stored, add, data_dir, digest_of, writing

__all__ = ["Report", "chosen_checkpoints", "get", "sources"]

type Report = Callable[[str, int, int | None], None]
"""Called with the address, the bytes so far, and how many there will be, or None where that is not known."""

ATTEMPTS = 5
"""How often a connection that broke off is taken up again, each time with more bytes than before."""
TIMEOUT = 30
"""Seconds without a byte after which a connection counts as broken."""
BLOCK = 2**18
"""Bytes that are read at a time."""
_OF_THIS_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)

PAGE = 2**20
"""Bytes of a web page that are looked at."""


def chosen_checkpoints(info: NetworkInfo, name: str | None = None) -> list[Checkpoint]:
    """The checkpoints to fetch: the one called ``name``, or by default the first of every part.

    Raises:
        WeightsError: there is none of that name, or none is published.
    """
    if not info.checkpoints:
        raise WeightsError(f"no weights of {info.name} are published")
    if name is not None:
        found = [checkpoint for checkpoint in info.checkpoints if checkpoint.name == name]
        if not found:
            names = ", ".join(checkpoint.name for checkpoint in info.checkpoints)
            raise WeightsError(f"{info.name} has no checkpoint {name!r}; known are {names}")
        return found
    firsts: dict[str, Checkpoint] = {}
    for checkpoint in info.checkpoints:
        firsts.setdefault(checkpoint.part, checkpoint)
    return [firsts[part] for part in info.parts if part in firsts]


def sources(info: NetworkInfo, checkpoint: Checkpoint, origin: str | None = None) -> list[str]:
    """Where a checkpoint is looked for, in order: addresses, or paths of files.

    Args:
        info: the network.
        checkpoint: the checkpoint.
        origin: a folder or an address that has the file under its name, or under ``model/name``, to be used instead of
            the published places; ``$VSVFI_WEIGHTS_MIRROR`` is one that is tried before them.
    """
    names = (f"{info.name}/{checkpoint.file}", checkpoint.file)
    base = origin or os.environ.get("VSVFI_WEIGHTS_MIRROR")
    if base is None:
        return list(checkpoint.places)
    here = [_joined(base, name) for name in names]
    return here if origin else [*here, *checkpoint.places]


def _joined(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{urllib.parse.quote(name)}" if _is_address(base) else str(Path(base) / name)


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def get(info: NetworkInfo, checkpoint: Checkpoint, *, origin: str | None = None, report: Report) -> Stored:
    """Fetch a checkpoint from the first source that has it, check it and keep it; see `sources`.

    Raises:
        WeightsError: no source has it, or what came is something else; the message says what each answered.
    """
    places = sources(info, checkpoint, origin)
    by_hand = f"get it by hand from {checkpoint.url}, then: vsvfi weights add {info.name} {checkpoint.file}"
    if not places:
        raise WeightsError(f"{checkpoint.file} of {info.name} has no address to fetch it from; {by_hand}")
    folder = data_dir() / "downloads" / info.name
    reasons: list[str] = []
    for place in places:
        with writing(folder):
            try:
                return _get_from(place, info, checkpoint, folder, report)
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reasons.append(f"{place}: {_reason(error)}")
            except WeightsError as error:
                reasons.append(str(error) if place in str(error) else f"{place}: {error}")
    raise WeightsError(f"{checkpoint.file} of {info.name} could not be fetched: {'; '.join(reasons)}; {by_hand}")


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code} {error.reason}"
    reason = getattr(error, "reason", None) or error
    return f"no connection ({reason})"


def _get_from(place: str, info: NetworkInfo, checkpoint: Checkpoint, folder: Path, report: Report) -> Stored:
    """A checkpoint from one source, kept."""
    if not _is_address(place):
        if not os.path.isfile(place):  # noqa: PTH113 (Path.is_file raises for names that are too long)
            raise WeightsError(f"{place}: there is no such file")
        _check_digest(Path(place), Path(place).name, info, checkpoint)
        return add(place, info.name, checkpoint.name)
    address, _, member = place.partition("#")
    partial = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}.part"
    _download(address, partial, report)
    # The file is recognised by its published name.
    file = folder / checkpoint.file
    try:
        if member:
            _extract(partial, member, file)
        else:
            shutil.copyfile(partial, file)
        if kind_of(file) in ("web page", "empty"):
            raise WeightsError(f"{address}: sent a web page, or nothing, in place of the file")
        _check_digest(file, (member or urllib.parse.urlparse(address).path).rpartition("/")[2], info, checkpoint)
        return add(file, info.name, checkpoint.name)
    finally:
        file.unlink(missing_ok=True)
        _forget(partial)


def _extract(archive: Path, member: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except KeyError:
        raise WeightsError(f"the zip file has no {member}") from None
    except zipfile.BadZipFile:
        raise WeightsError("the zip file is damaged, or none") from None


def _check_digest(file: Path, published_as: str, info: NetworkInfo, checkpoint: Checkpoint) -> None:
    """Compare with the published digest, or with that of the first time, which is remembered.

    Sources may have the same weights in files of other names, whose bytes differ.
    """
    digest, name = digest_of(file), f"{info.name}/{published_as}"
    book = data_dir() / "checksums.json"
    remembered = _checksums(book)
    known_digest = checkpoint.sha256 if published_as == checkpoint.file else None
    expected = known_digest or remembered.get(name)
    if expected is not None and digest != expected:
        known = "published" if known_digest else f"seen before, by {book}"
        raise WeightsError(f"another file than the one {known}: sha256 {digest}, expected {expected}")
    if expected is None:
        book.parent.mkdir(parents=True, exist_ok=True)
        book.write_text(json.dumps({**remembered, name: digest}, indent=2) + "\n")


def _checksums(book: Path) -> dict[str, str]:
    try:
        content = json.loads(book.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass(slots=True)
class _Answer:
    """An open answer: where its bytes begin, how long the whole file is, and what tells this version of it."""

    stream: http.client.HTTPResponse
    start: int
    total: int | None
    validator: str


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag(partial).unlink(missing_ok=True)


def _tag(partial: Path) -> Path:
    return partial.with_suffix(".tag")


def _download(address: str, partial: Path, report: Report) -> None:
    """Fetch an address into a file, after what is there of it already, with as many attempts as make progress."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    attempts = 0
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            if _transfer(opener, address, partial, report):
                return
            reason: BaseException = ConnectionError("it broke off")
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
                raise
            reason = error
        attempts += 1
        now = partial.stat().st_size if partial.is_file() else 0
        if attempts >= ATTEMPTS or now <= before:
            raise ConnectionError(f"{getattr(reason, 'reason', None) or reason}, {now} bytes are kept for the next try")


def _transfer(opener: urllib.request.OpenerDirector, address: str, partial: Path, report: Report) -> bool:
    """One connection; whether the file is complete afterwards."""
    answer = _open(opener, address, partial)
    if answer is None:
        return True
    with answer.stream:
        _tag(partial).write_text(answer.validator)
        if answer.total is not None and answer.total - answer.start > shutil.disk_usage(partial.parent).free:
            raise WeightsError(f"{address}: {answer.total} bytes are more than there is room for in {partial.parent}")
        done = answer.start
        with partial.open("r+b" if answer.start else "wb") as file:
            file.seek(answer.start)
            while block := answer.stream.read(BLOCK):
                file.write(block)
                done += len(block)
                report(address, done, answer.total)
            file.truncate()
    return answer.total is None or done >= answer.total


def _open(opener: urllib.request.OpenerDirector, address: str, partial: Path) -> _Answer | None:
    """Ask for the rest of a file, or for all of it; None where nothing is missing."""
    have = partial.stat().st_size if partial.is_file() else 0
    validator = _tag(partial).read_text() if _tag(partial).is_file() else ""
    headers = {"User-Agent": "vsvfi", "Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        stream = opener.open(urllib.request.Request(_direct(address), headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing follows what is there: it is complete, or of another version.
        complete = error.headers.get("Content-Range", "") == f"bytes */{have}"
        error.close()
        if complete:
            return None
        _forget(partial)
        return _open(opener, address, partial)
    if stream.headers.get_content_type() == "text/html":
        with stream:
            following = _confirmation(stream.read(PAGE).decode(errors="replace"), stream.url)
        if following is None:
            raise WeightsError(f"{address}: sent a web page in place of the file")
        stream = opener.open(urllib.request.Request(following, headers=headers), timeout=TIMEOUT)
        if stream.headers.get_content_type() == "text/html":
            stream.close()
            raise WeightsError(f"{address}: sent a web page in place of the file")
    return _described(stream, have)


def _described(stream: http.client.HTTPResponse, have: int) -> _Answer:
    length = stream.headers.get("Content-Length")
    validator = stream.headers.get("ETag") or stream.headers.get("Last-Modified") or ""
    if validator.startswith("W/"):  # does not promise the same bytes
        validator = ""
    covered = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", stream.headers.get("Content-Range") or "")
    start = int(covered[1]) if stream.status == 206 and covered and int(covered[1]) <= have else 0
    if stream.status == 206 and not start:
        stream.close()
        raise ConnectionError("it sent another part of the file than was asked for")
    return _Answer(stream, start, start + int(length) if length and length.isdigit() else None, validator)


def _direct(address: str) -> str:
    """The address that sends the file, of a page that shows it on Google Drive."""
    shown = re.match(r"https://drive\.google\.com/(?:file/d/|open\?id=)([\w-]+)", address)
    return f"https://drive.google.com/uc?export=download&id={shown[1]}" if shown else address


class _Form(HTMLParser):
    """The form of a page, with its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}

    @override
    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values.get("action", "")
        elif tag == "input" and values.get("type") == "hidden":
            self.fields[values.get("name", "")] = values.get("value", "")


def _confirmation(page: str, address: str) -> str | None:
    """Where the form of Google Drive's page about large files leads, or None for any other page."""
    form = _Form()
    form.feed(page)
    if not form.action or "confirm" not in form.fields:
        return None
    following = urllib.parse.urljoin(address, form.action)
    return f"{following}?{urllib.parse.urlencode(form.fields)}" if _is_address(following) else None
