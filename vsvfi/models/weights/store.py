"""The user's data folder: added weights, one safetensors file each, and what is known about them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.models.info import Checkpoint, Layout, NetworkInfo
from vsvfi.models.weights.errors import WeightsError
from vsvfi.models.weights.reading import read
from vsvfi.models.weights.recognition import assemble, hint, networks, recognise, shapes_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Stored", "add", "damage", "data_dir", "digest_of", "metadata", "owner_of", "remove", "stored", "writing"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint (or one part of it) in the data folder.

    ``sha256`` is that of the published file, ``before`` that of the one it replaced, if any; both are only known to
    who added it.
    """

    model: str
    name: str
    part: str
    path: Path
    sha256: str = field(default="", compare=False)
    before: str = field(default="", compare=False)


def data_dir() -> Path:
    """The folder for added weights: ``$VSVFI_DATA``, or the platform's user data folder."""
    configured = os.environ.get("VSVFI_DATA")
    if configured:
        return Path(configured)
    import platformdirs

    return Path(platformdirs.user_data_dir("vsvfi", appauthor=False))


def owner_of(model: str) -> NetworkInfo:
    """The network whose weights a model runs with: itself, or another.

    Raises:
        WeightsError: no network of this name takes weights.
    """
    known = networks()
    if model not in known:
        raise WeightsError(f"no model {model!r} takes weights; known are {', '.join(sorted(known))}")
    return known[known[model].weights_of or model]


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(path: str | os.PathLike[str], model: str | None = None, name: str | None = None) -> Stored:
    """Recognise a published checkpoint, check it whole, and keep it in the data folder.

    Args:
        path: the file as its authors published it.
        model: the model it is for; by default recognised from the file's content.
        name: the name to keep it under; by default the known checkpoint's, else the file's.

    Raises:
        WeightsError: the file does not fit, fits several models and ``model`` was left out, or cannot be kept.
    """
    path = Path(path)
    if name is not None and not _NAME.fullmatch(name):
        allowed = "up to 100 letters, digits, '_', '.', '+' and '-', beginning with one of the first three"
        raise WeightsError(f"a name for weights is {allowed}, got {name!r}")
    state = read(path)
    digest = digest_of(path)
    info, layout = _identified(path, state, digest, model)
    complete = layout.complete or info.parts == ("",)
    if complete:
        assemble(info, [state])
    checkpoint = _known(info, path, digest)
    kept_as = name or (checkpoint.name if checkpoint else _name_of(path))
    target = _path(info.name, kept_as, layout.part)
    before = "" if not target.is_file() or damage(target) else metadata(target).get("sha256", "")
    about = {
        "model": info.name,
        "part": layout.part,
        "complete": "yes" if complete else "no",
        "file": path.name,
        "sha256": digest,
        "license": checkpoint.license if checkpoint else info.weights_license,
    }
    _save(state, target, about)
    return Stored(info.name, kept_as, layout.part, target, digest, before)


def _name_of(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip(".+-")[:100]
    return name or "weights"


def _identified(path: Path, state: Mapping[str, Tensor], digest: str, model: str | None) -> tuple[NetworkInfo, Layout]:
    """The network that a file is for, and its layout."""
    shapes = shapes_of(state)
    found = recognise(shapes, None if model is None else [owner_of(model)])
    if model is None:
        certain = [match for match in found if _known(match[0], path, digest)]
        found = certain or [match for match in found if not match[1].part] or found
    if not found:
        wanted = f"weights of {model}{hint(shapes)}" if model else "weights of any known model"
        raise WeightsError(f"{path} does not hold {wanted}")
    names = sorted({info.name for info, _ in found})
    if len(names) > 1:
        raise WeightsError(
            f"{path} fits several models ({', '.join(names)}); say which: vsvfi weights add {names[0]} {path}"
        )
    return found[0]


def _known(info: NetworkInfo, path: Path, digest: str) -> Checkpoint | None:
    by_digest = (c for c in info.checkpoints if c.sha256 == digest)
    by_name = (c for c in info.checkpoints if c.file == path.name)
    return next(by_digest, None) or next(by_name, None)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Says where nothing could be written, and how to choose another place.

    Raises:
        WeightsError: in place of an OSError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be written to: {error.strerror or error}; VSVFI_DATA names another data folder"
        ) from None


def _save(state: Mapping[str, Tensor], target: Path, about: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    partial = target.with_suffix(f".{os.getpid()}.tmp")
    with writing(target.parent):
        try:
            save_file({key: value.contiguous().clone() for key, value in state.items()}, partial, about)
            partial.replace(target)
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from None
        finally:
            partial.unlink(missing_ok=True)


def _path(model: str, name: str, part: str) -> Path:
    folder = data_dir() / "weights" / model
    return (folder / f"part-{part}" if part else folder) / f"{name}.safetensors"


def stored(model: str) -> list[Stored]:
    """What the data folder holds for a model, sorted by part and name, damaged files too (see `damage`)."""
    info = networks().get(model)
    folder = data_dir() / "weights" / (info.weights_of or model if info else model)
    whole = [Stored(model, path.stem, "", path) for path in sorted(folder.glob("*.safetensors"))]
    parts = [
        Stored(model, path.stem, path.parent.name.removeprefix("part-"), path)
        for path in sorted(folder.glob("part-*/*.safetensors"))
    ]
    return whole + parts


def remove(model: str, name: str | None = None) -> list[Stored]:
    """Delete added weights of a model: those called ``name``, or all of them.

    Returns:
        what was deleted.

    Raises:
        WeightsError: there are none, or they cannot be deleted.
    """
    owner = owner_of(model)
    found = [entry for entry in stored(owner.name) if name in (None, entry.name)]
    if not found:
        names = ", ".join(entry.name for entry in stored(owner.name)) or "none"
        what = f"no weights {name!r}" if name else "no weights"
        raise WeightsError(f"{what} of {owner.name} were added (added: {names})")
    for entry in found:
        with writing(entry.path.parent):
            entry.path.unlink()
    return found


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file.

    Raises:
        ValueError: the file is not one, or is cut short.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or file.read(1) != b"{":
            raise ValueError("not a weights file")
        if length > size - 8:
            raise ValueError("truncated")
        header: dict[str, Any] = json.loads(b"{" + file.read(length - 1))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) != size:
        raise ValueError("truncated")
    return header


def damage(path: Path) -> str:
    """What is wrong with a safetensors file by its header and its length; empty where nothing is."""
    try:
        _header(path)
    except OSError as error:
        return error.strerror or str(error)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, IndexError):
        return "not a weights file"
    except ValueError as error:
        return str(error)
    return ""


def metadata(path: Path) -> dict[str, str]:
    """What `add` wrote beside the tensors of an intact stored file."""
    return dict(_header(path).get("__metadata__", {}))
