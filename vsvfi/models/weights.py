"""Where weights come from: reading, recognising, checking, storing and loading checkpoints.

A user's file takes one path whatever it is: `read` opens it safely and unwraps it, a `Layout` of some network
recognises its tensors, `assemble` builds that network from their shapes and checks every name and shape.
Added files are kept as safetensors, under their published tensor names, in the user's data folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsvfi.errors import VsvfiError
from vsvfi.models import registry
from vsvfi.models.info import BackendInfo, Checkpoint, Layout, NetworkInfo, Shapes, load_object
from vsvfi.models.torchscript import is_torchscript, read_torchscript

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "MissingWeightsError",
    "Stored",
    "WeightsError",
    "add",
    "assemble",
    "data_dir",
    "load",
    "locate",
    "networks",
    "read",
    "recognise",
    "stored",
]

_WRAPPERS = ("params_ema", "params", "ema", "state_dict", "model_state_dict", "model", "net", "network", "generator")
_PREFIXES = ("module.", "_orig_mod.")


class WeightsError(VsvfiError):
    """Weights that are missing, unreadable, or of another model; the message says what to do."""


class MissingWeightsError(WeightsError):
    """Weights, or a part of them, that were not added; ``file`` is what they are called where they are published."""

    def __init__(self, message: str, file: str) -> None:
        super().__init__(message)
        self.file = file


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint (or one part of it) in the data folder."""

    model: str
    name: str
    part: str
    path: Path


def data_dir() -> Path:
    """The folder for added weights: ``$VSVFI_DATA``, or the platform's user data folder."""
    configured = os.environ.get("VSVFI_DATA")
    if configured:
        return Path(configured)
    import platformdirs

    return Path(platformdirs.user_data_dir("vsvfi", appauthor=False))


def networks() -> dict[str, NetworkInfo]:
    """Everything that can have weights, by name: the models of the filter and other networks."""
    models = {name: info for name, info in registry.backends().items() if info.build}
    return {**registry.networks(), **models}


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    def is_state(value: Any) -> bool:
        return isinstance(value, Mapping) and any(isinstance(item, torch.Tensor) for item in value.values())

    for _ in range(4):
        if is_state(content) or not isinstance(content, Mapping):
            break
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            # Several networks in one file: each one's tensors go under its key.
            states = {key: state for key, state in content.items() if is_state(state)}
            inner = {f"{key}.{name}": value for key, state in states.items() for name, value in state.items()}
        content = inner
    if not is_state(content):
        raise WeightsError(f"{path} holds no state dict")
    state = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def read(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by their published names, without wrappers and ``module.`` prefixes.

    Safetensors, torch files (``weights_only=True``: no code in a pickle is run) and TorchScript archives (neither).

    Raises:
        WeightsError: the file is missing, truncated, or not a checkpoint.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if is_torchscript(path):
            return read_torchscript(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0] if str(error) else "not a torch file"
        raise WeightsError(f"{path} cannot be opened safely as weights: {reason}") from None
    except (SafetensorError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is damaged or not a weights file: {reason}") from None
    return _unwrap(content, path)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def recognise(shapes: Shapes, among: Iterable[NetworkInfo] | None = None) -> list[tuple[NetworkInfo, Layout]]:
    """The networks (all with weights of their own, or those ``among``) that have a layout which these tensors fit."""
    candidates = (info for info in networks().values() if not info.weights_of) if among is None else among
    return [(info, layout) for info in candidates for layout in info.layouts if layout.matches(shapes)]


def _names(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")


def assemble(info: NetworkInfo, states: Sequence[Mapping[str, Tensor]]) -> nn.Module:
    """Build the network of ``info`` and load published state dicts, the parts of one checkpoint, into it.

    Returns:
        the network in eval mode, fp32, without gradients.

    Raises:
        WeightsError: a state is of another network, or names or shapes are missing, unexpected or wrong.
    """
    matched: list[tuple[Mapping[str, Tensor], Layout]] = []
    for state in states:
        found = recognise(_shapes(state), [info])
        if not found:
            raise WeightsError(f"these are not weights of {info.name}{_hint(_shapes(state))}")
        matched.append((state, found[0][1]))
    # The parts inside a complete file were trained together: parts added on their own do not replace them.
    matched = [match for match in matched if match[1].complete] or matched
    parts = {layout.part for _, layout in matched}
    if "" not in parts:
        raise WeightsError(f"only {_names(parts)} of {info.name} is there; the main weights are missing")
    if not any(layout.complete for _, layout in matched) and set(info.parts) - parts:
        raise WeightsError(f"the {_names(set(info.parts) - parts)} part of the weights of {info.name} is missing")
    complete: dict[str, Tensor] = {}
    for state, layout in matched:
        for published, value in state.items():
            name = layout.our_name(published)
            if name is not None:
                complete[name] = value
    network: nn.Module = load_object(info.build)({name: tuple(value.shape) for name, value in complete.items()})
    # PyTorch before 0.4.1 saved no counters of batch normalisation; they matter to training alone.
    counters = {name: count for name, count in network.state_dict().items() if name.endswith(".num_batches_tracked")}
    complete = counters | complete
    expected = _shapes(network.state_dict())
    missing, unexpected = expected.keys() - complete.keys(), complete.keys() - expected.keys()
    wrong = {name for name in expected.keys() & complete.keys() if expected[name] != tuple(complete[name].shape)}
    complaints = [
        f"{what} {_names(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        if names
    ]
    if complaints:
        raise WeightsError(f"these weights do not fit {info.name}: {'; '.join(complaints)}")
    network.load_state_dict({name: value.to(expected_dtype(value)) for name, value in complete.items()})
    return network.eval().requires_grad_(False)


def expected_dtype(value: Tensor) -> Any:
    """Floating-point tensors are loaded as fp32 whatever they were stored as."""
    import torch

    return torch.float32 if value.is_floating_point() else value.dtype


def _hint(shapes: Shapes) -> str:
    others = sorted({info.name for info, _ in recognise(shapes)})
    return f"; they look like {' or '.join(others)}" if others else ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(info: NetworkInfo, path: Path, digest: str) -> Checkpoint | None:
    by_digest = (c for c in info.checkpoints if c.sha256 == digest)
    by_name = (c for c in info.checkpoints if c.file == path.name)
    return next(by_digest, None) or next(by_name, None)


def add(path: str | os.PathLike[str], model: str | None = None, name: str | None = None) -> Stored:
    """Recognise a published checkpoint, check it whole, and keep it in the data folder.

    Args:
        path: the file as its authors published it.
        model: the model it is for; by default recognised from the file's content.
        name: the name to keep it under; by default the known checkpoint's, else the file's.

    Raises:
        WeightsError: the file does not fit, or fits several models and ``model`` was left out.
    """
    from safetensors.torch import save_file

    path = Path(path)
    state = read(path)
    shapes = _shapes(state)
    known = networks()
    if model is not None and model not in known:
        raise WeightsError(f"no model {model!r} takes weights; known are {', '.join(sorted(known))}")
    if model is not None:
        model = known[model].weights_of or model
    found = recognise(shapes, None if model is None else [known[model]])
    digest = _digest(path)
    if model is None:
        certain = [match for match in found if _known(match[0], path, digest)]
        found = certain or [match for match in found if not match[1].part] or found
    if not found:
        wanted = f"weights of {model}{_hint(shapes)}" if model else "weights of any known model"
        raise WeightsError(f"{path} does not hold {wanted}")
    names = sorted({info.name for info, _ in found})
    if len(names) > 1:
        raise WeightsError(
            f"{path} fits several models ({', '.join(names)}); say which: vsvfi weights add {names[0]} {path}"
        )
    info, layout = found[0]
    complete = layout.complete or info.parts == ("",)
    if complete:
        assemble(info, [state])
    checkpoint = _known(info, path, digest)
    kept_as = name or (checkpoint.name if checkpoint else path.stem)
    target = _path(info.name, kept_as, layout.part)
    target.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "model": info.name,
        "part": layout.part,
        "complete": "yes" if complete else "no",
        "file": path.name,
        "sha256": digest,
        "license": checkpoint.license if checkpoint else info.weights_license,
    }
    partial = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file({key: value.contiguous().clone() for key, value in state.items()}, partial, metadata)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Stored(info.name, kept_as, layout.part, target)


def _path(model: str, name: str, part: str) -> Path:
    folder = data_dir() / "weights" / model
    return (folder / f"part-{part}" if part else folder) / f"{name}.safetensors"


def stored(model: str) -> list[Stored]:
    """What the data folder holds for a model, sorted by part and name."""
    info = networks().get(model)
    folder = data_dir() / "weights" / (info.weights_of or model if info else model)
    whole = [Stored(model, path.stem, "", path) for path in sorted(folder.glob("*.safetensors"))]
    parts = [
        Stored(model, path.stem, path.parent.name.removeprefix("part-"), path)
        for path in sorted(folder.glob("part-*/*.safetensors"))
    ]
    return whole + parts


def bundled(info: NetworkInfo) -> Path | None:
    """The weights that ship with the package, if the model has any."""
    if not isinstance(info, BackendInfo) or not info.bundled:
        return None
    from importlib.resources import files

    return Path(str(files(info.build.partition(":")[0].rpartition(".")[0]))) / info.bundled


def _missing(info: NetworkInfo, part: str = "") -> MissingWeightsError:
    checkpoint = next((checkpoint for checkpoint in info.checkpoints if checkpoint.part == part), None)
    what = f"the {part} part of the weights" if part else "weights"
    where = f", published at {checkpoint.url}" if checkpoint else ""
    file = checkpoint.file if checkpoint else "FILE"
    owner = info.weights_of or info.name
    command = f"vsvfi weights add {owner} {file}"
    if info.recipe and not info.checkpoints:
        where = f", and none are published: train it (vsvfi train {owner} --config FILE, see docs/training.md), then"
        return MissingWeightsError(f"model {info.name!r} needs {what}{where} add them with: {command}", file)
    return MissingWeightsError(f"model {info.name!r} needs {what}{where}; add them with: {command}", file)


def locate(info: NetworkInfo, weights: Sequence[str] = ()) -> list[Path]:
    """The files to load for a model, one a part. Touches the file system only: no torch, no network is built.

    Args:
        info: the model.
        weights: names of added checkpoints, or paths of files; by default the first known checkpoint that was
            added, else any that was added, else the weights that ship with vsvfi.

    Raises:
        WeightsError: none are there, or one of ``weights`` is neither a name nor a file.
    """
    have = stored(info.name)
    paths: list[Path] = []
    given_parts: set[str] = set()
    for choice in weights:
        match = next((entry for entry in have if entry.name == choice), None)
        if match:
            paths.append(match.path)
            given_parts.add(match.part)
        elif Path(choice).is_file():
            paths.append(Path(choice))
        else:
            names = ", ".join(entry.name for entry in have) or "none"
            raise WeightsError(
                f"weights {choice!r} is neither a file nor the name of added weights of {info.name} (added: {names})"
            )
    if weights and len(paths) >= len(info.parts):
        return paths
    order = [checkpoint.name for checkpoint in info.checkpoints]
    for part in info.parts:
        if part in given_parts or (weights and part == ""):
            continue
        own = sorted(
            (entry for entry in have if entry.part == part),
            key=lambda entry: order.index(entry.name) if entry.name in order else len(order),
        )
        shipped = bundled(info) if part == "" else None
        if own and metadata(own[0].path).get("complete") == "yes":
            return [own[0].path]
        if own:
            paths.append(own[0].path)
        elif shipped is not None and shipped.is_file():
            paths.append(shipped)
        elif part == "" or not weights:
            raise _missing(info, part)
    return paths


def load(info: NetworkInfo, weights: Sequence[str] = ()) -> nn.Module:
    """The network of a model with its weights; see `locate` for the choice and `assemble` for the checks."""
    return assemble(info, [read(path) for path in locate(info, weights)])


def metadata(path: Path) -> dict[str, str]:
    """What `add` wrote beside the tensors of a stored file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
    return dict(header.get("__metadata__", {}))
