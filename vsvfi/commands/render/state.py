"""The folder of an unfinished render: what it is of, and the segments that are done.

A segment is done when its file has its final name; nothing else is kept of it. So any process that can write there
may finish one, and a render continues wherever the folder is found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vsvfi.commands.render.lock import HOLDER, LOCK, locked
from vsvfi.commands.render.plan import Segment
from vsvfi.errors import VsvfiError

__all__ = ["STATE", "Parts"]

STATE = "state.json"
_OURS = re.compile(
    rf"\d{{9}}-\d{{9}}\.segment(\..*)?|joined\..*|segments\.txt|{re.escape(STATE)}(\.tmp)?|{LOCK}|{HOLDER}"
)


class Parts:
    """The folder next to ``out`` with its finished segments."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.vsvfi-parts")

    @contextmanager
    def opened(self, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Iterator[None]:
        """Continue with what is there or start over, and hold the lock; an empty folder is removed at the end.

        Raises:
            VsvfiError: the folder is not a render's, or is in use; there is an unfinished render, and nothing was said
                of it; or it is of something else.
        """
        self._check_ours()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.folder, self.out):
                self._begin(identity, resume=resume, overwrite=overwrite)
                try:
                    yield
                finally:
                    if not self.finished():
                        self._remove_files()
        finally:
            with suppress(OSError):  # not empty: there is something to resume, or another render uses it
                self.folder.rmdir()

    def _begin(self, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        if not overwrite and (self.folder / STATE).is_file():
            self._take_up(identity, resume=resume)
        else:
            self._remove_files()
            self._write(STATE, json.dumps({"identity": identity}, indent=1))
        for leftover in self.folder.glob("*.part"):
            leftover.unlink()

    def _check_ours(self) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise VsvfiError(f"{self.folder} is in the way: unfinished segments are kept in a folder of that name")
        foreign = [path.name for path in self.folder.iterdir() if not _OURS.fullmatch(path.name)]
        if foreign:
            raise VsvfiError(f"{self.folder} holds {foreign[0]!r}, which no render wrote: move the folder away")

    def _take_up(self, identity: Mapping[str, Any], *, resume: bool) -> None:
        if not resume:
            raise VsvfiError(
                f"an unfinished render is in {self.folder}: continue with --resume, or start over with --overwrite"
            )
        try:
            before = json.loads((self.folder / STATE).read_text())["identity"]
            differing = sorted({name for name in {*before, *identity} if before.get(name) != identity.get(name)})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise VsvfiError(f"{self.folder / STATE} is damaged: start over with --overwrite") from None
        if differing:
            raise VsvfiError(
                f"the unfinished render in {self.folder} was begun with another {' and '.join(differing)}: "
                "repeat that, or start over with --overwrite"
            )

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.tmp"
        partial.write_text(text)
        partial.replace(self.folder / name)

    def _remove_files(self) -> None:
        for path in self.folder.iterdir():
            if path.name not in (LOCK, HOLDER):
                path.unlink()

    def clear(self) -> None:
        """Remove everything: the output is whole."""
        self._remove_files()

    def keep(self, segment: Segment, content: bytes) -> None:
        """Take in a segment that was finished elsewhere."""
        partial = self.folder / f"{segment.file}.part"
        partial.write_bytes(content)
        partial.replace(self.folder / segment.file)

    def finished(self) -> set[Segment]:
        """The segments that are done."""
        names = (path.name for path in self.folder.glob("*.segment"))
        return {Segment(int(name[:9]), int(name[10:19])) for name in names}

    def missing(self, planned: Iterable[Segment]) -> Iterator[Segment]:
        """Those of ``planned`` that are still to do."""
        done = self.finished()
        return (segment for segment in planned if segment not in done)
