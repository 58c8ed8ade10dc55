"""What frames depend on in addition to source and settings: equal versions make equal frames."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import vsvfi
from vsvfi.commands import ffmpeg

__all__ = ["differences", "digest_of_video", "versions"]

SAMPLE = 1 << 20
"""Bytes at the beginning, in the middle and at the end of a video that distinguish it from others."""


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


@cache
def _own_code() -> str:
    """The digest of vsvfi's Python modules and compiled libraries."""
    files: dict[str, Path] = {}
    for folder in map(Path, vsvfi.__path__):
        for pattern in ("**/*.py", "compiled/*.so", "compiled/*.dll", "compiled/*.dylib"):
            for path in folder.glob(pattern):
                files.setdefault(path.relative_to(folder).as_posix(), path)
    return _digest(*(path.read_bytes() for _, path in sorted(files.items())))


@cache
def _weights_digest(path: Path, size: int, changed: int) -> str:  # noqa: ARG001
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _ffmpeg_version() -> str:
    said = subprocess.run(
        [ffmpeg.require(), "-version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return said.stdout.partition("\n")[0].removeprefix("ffmpeg version ").partition(" Copyright")[0]


def versions(model: str, weights: Sequence[str] = ()) -> dict[str, str]:
    """The versions of all that takes part in making frames, and the digests of the model's weights.

    Raises:
        VsvfiError: the model, its weights or the encoder are not there.
    """
    import vapoursynth as vs

    from vsvfi.models import registry
    from vsvfi.models import weights as store

    info = registry.find(model)
    best_source = getattr(vs.core, "bs", None)
    found = {
        "vsvfi": f"{vsvfi.__version__} ({_own_code()})",
        "VapourSynth": str(vs.core.core_version),
        "BestSource": "none" if best_source is None else str(best_source.version),
        "ffmpeg": _ffmpeg_version(),
    }
    package = info.backend.partition(".")[0]
    if package != "vsvfi":
        found[package] = ", ".join(
            importlib.metadata.version(name)
            for name in sorted(set(importlib.metadata.packages_distributions().get(package, [])))
        )
    if not info.planes:
        found["torch"] = importlib.metadata.version("torch")
    if info.build:
        paths = [path.resolve() for path in store.locate(info, weights)]
        digests = [_weights_digest(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        found[f"weights of {model}"] = " ".join(digests)
    return found


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """In words, where ``ours`` differ from ``theirs``; empty where they do not."""
    return ", ".join(
        f"{name} is {ours.get(name, 'missing')}, not {theirs.get(name, 'missing')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    )


def digest_of_video(path: Path) -> str:
    """What identifies a video, whatever its name and folder: its size, and samples of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        samples = []
        for begin in (0, size // 2, max(0, size - SAMPLE)):
            file.seek(begin)
            samples.append(file.read(SAMPLE))
    return _digest(str(size).encode(), *samples)
