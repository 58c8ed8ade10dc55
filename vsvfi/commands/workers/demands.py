"""What a machine must have so that its frames are those that every other machine would make."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vsvfi.commands.workers.pool import NodeRefusedError
from vsvfi.errors import VsvfiError

__all__ = ["Demands"]

_met: set[bytes] = set()
"""The demands that this process has checked already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """The model with its weights, the versions of all that takes part, and the paths to be seen, if any.

    ``source`` is a path and the digest of the video there; ``folder`` is where finished segments go, and ``state`` the
    file that a render keeps in it.
    """

    model: str
    weights: tuple[str, ...]
    versions: Mapping[str, str]
    source: tuple[Path, str] | None = None
    state: Path | None = None

    def check(self) -> None:
        """Check that this machine meets them.

        Raises:
            NodeRefusedError: it does not; the message says what is missing or differs.
        """
        key = pickle.dumps(self)
        if key in _met:
            return
        self._check_versions()
        self._check_paths()
        _met.add(key)

    def _check_versions(self) -> None:
        from vsvfi.commands.versions import differences, versions

        try:
            found = versions(self.model, self.weights)
        except VsvfiError as error:
            raise NodeRefusedError(str(error)) from None
        differing = differences(found, self.versions)
        if differing:
            raise NodeRefusedError(f"its frames could differ: {differing}")

    def _check_paths(self) -> None:
        from vsvfi.commands.versions import digest_of_video

        if self.state is not None and not self.state.is_file():
            raise NodeRefusedError(f"it does not see the folder {self.state.parent}; mount it there, or use --ship")
        if self.source is None:
            return
        path, digest = self.source
        if not path.is_file():
            raise NodeRefusedError(f"it does not see the source {path}; mount it there, or use --ship")
        if digest_of_video(path) != digest:
            raise NodeRefusedError(f"it sees another video as {path}")
