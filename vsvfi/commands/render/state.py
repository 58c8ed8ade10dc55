"""The folder of an unfinished render: what it is of, and the segments that are done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vsvfi.commands.render.plan import Segment
from vsvfi.errors import VsvfiError

__all__ = ["Work"]


class Work:
    """The folder of an unfinished render: what it is of, and the segments that are done."""

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f"{out.name}.vsvfi-parts")
        self._state = self.folder / "state.json"
        self._identity = dict(identity)
        self.segments: list[Segment] = []

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
            self.segments = [Segment(**segment) for segment in state["segments"]]
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save()

    def add(self, segment: Segment) -> None:
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
