"""What one new frame asks of a GPU, counted without one: operations, bytes, and waits, under fake CUDA tensors.

Tensors have shapes and a device and no memory, so that full sizes cost nothing. Counted is what a new frame needs at
factor 2, once earlier ones are there: one source frame encoded, one pair prepared, one timestep synthesized, planes in
and out, in the precision and the form in which the engine runs the model. An operation is whatever is launched on the
device (views are not); its bytes are those of the tensors that it reads and writes, without copies that an operator of
ours makes inside. A wait is a copy to or from memory that is not page-locked, or a value asked for on the host; the
frame's own last one is among them.

Usage: python benchmarks/counts.py [--size 1920x1080] [--json FILE] [--names] [MODEL ...]
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vsvfi.backends.base import TorchBackend
from vsvfi.engine.color import layout_of
from vsvfi.engine.devices import find_dtype
from vsvfi.engine.frames import Color
from vsvfi.engine.precision import running_in
from vsvfi.models import registry
from vsvfi.models.info import BackendInfo, Options, PlaneFrame, load_object
from vsvfi.models.padding import padding
from vsvfi.ops import _launch
from vsvfi.ops.color import Margins, PlaneLayout, planes_to_rgb, rgb_to_planes

MODELS = (
    "rife-4.6", "rife-4.26", "ifrnet", "ifrnet-s", "film", "m2m", "upr-base", "upr-large", "upr-llarge", "gmfss-union",
    "gmfss-base",
)  # fmt: skip
CUDA = torch.device("cuda", 0)


@dataclass
class Counts:
    """What a frame needs; ``names`` and ``moved`` are operations and bytes by name."""

    operations: int = 0
    bytes: int = 0
    waits: int = 0
    host_bytes_in: int = 0
    host_bytes_out: int = 0
    names: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)


class Counting(TorchDispatchMode):
    """Counts what reaches the device."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        self._count(func, given, made)
        return result

    def _count(self, func: Any, given: list[Tensor], made: list[Tensor]) -> None:
        counts, name = self.counts, str(func.overloadpacket)
        if func is torch.ops.aten._local_scalar_dense.default and given[0].device.type == "cuda":
            counts.waits += 1
        devices = {x.device.type for x in (*given, *made)}
        copies = name in ("aten._to_copy", "aten.copy_") and devices == {"cpu", "cuda"}
        if copies:
            # The engine's own copies go through page-locked memory: see `Frames`.
            counts.waits += 1
        elif "cuda" in devices and not _is_view(func) and name not in _FREE and not name.startswith("prim."):
            counts.operations += 1
            moved = sum(x.numel() * x.itemsize for x in (*given, *made))
            counts.bytes += moved
            counts.names[name] += 1
            counts.moved[name] += moved


_FREE = {
    "aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty", "aten.new_empty_strided", "aten.detach",
    "aten.lift_fresh", "aten._unsafe_view", "aten.reshape",
}  # fmt: skip


def _is_view(func: Any) -> bool:
    returns = func._schema.returns
    return bool(returns) and all(value.alias_info is not None and not value.alias_info.is_write for value in returns)


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as torch runs it on a GPU: in one kernel. Fake tensors would take it to pieces."""
    result: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
    return result


@contextlib.contextmanager
def fake_cuda() -> Iterator[FakeTensorMode]:
    """Tensors on a CUDA device that is not there, for which there are kernels."""
    real_missing = _launch._missing
    missing = lambda device: None if device.startswith("cuda") else real_missing(device)  # noqa: E731
    with contextlib.ExitStack() as patches:
        patches.enter_context(patch.object(_launch, "_missing", missing))
        patches.enter_context(patch.object(torch.cuda, "mem_get_info", lambda _device: (80 * 10**9, 80 * 10**9)))
        # Without a GPU, autocast would leave everything in fp32.
        patches.enter_context(patch.object(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False))
        patches.enter_context(patch.object(functional, "scaled_dot_product_attention", _attention))
        yield patches.enter_context(FakeTensorMode(allow_non_fake_inputs=True))


def backend_for(info: BackendInfo) -> tuple[TorchBackend, torch.dtype]:
    """A backend of published size on the fake device, as the engine would run it, and its precision."""
    create = load_object(f"{info.build.partition(':')[0]}:create")
    with torch.device(CUDA):
        network = create(info.weights_of or info.name).eval().requires_grad_(False)
    dtype = find_dtype(info, CUDA, "auto")
    backend = load_object(info.backend)(info, network, Options())
    made = backend.fused(dtype)
    return (made, torch.float32) if made else (backend, dtype)


def layout(width: int, height: int) -> PlaneLayout:
    """Of YUV420P8."""
    import numpy as np

    shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    planes = tuple(np.empty(shape, np.uint8) for shape in shapes)
    return layout_of(PlaneFrame(planes, "YUV", 8, (1, 1), False), Color(1, False, 0))


def count(info: BackendInfo, width: int, height: int) -> Counts:
    """What a new frame of a clip at factor 2 needs."""
    counts = Counts()
    form = layout(width, height)
    # Not inference_mode, in which composite operations would be counted instead of what they are made of.
    with fake_cuda(), torch.no_grad():
        backend, dtype = backend_for(info)
        across = padding(width, multiple=backend.multiple, minimum=info.minimum, where=info.padding)
        down = padding(height, multiple=backend.multiple, minimum=info.minimum, where=info.padding)
        margins = Margins(*across, *down)
        packed = torch.empty(form.size, dtype=form.dtype, device=CUDA)
        timesteps = torch.empty(1, device=CUDA)
        with running_in(dtype, CUDA):
            others = [planes_to_rgb(packed, form, margins) for _ in info.window[1:]]
            encoded = [backend.encode(frame) for frame in others]
            with Counting(counts):
                frame = planes_to_rgb(packed, form, margins)
                state = backend.prepare([*others, frame], [*encoded, backend.encode(frame)])
                made = backend.synthesize(state, timesteps)
                scale = info.spatial_scale
                planes = rgb_to_planes(made, form.scaled(scale), margins.left * scale, margins.top * scale)
    counts.host_bytes_in = packed.nbytes
    counts.host_bytes_out = planes.nbytes
    counts.waits += 1  # for the frame to be there: Lane.finish
    return counts


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--names", action="store_true", help="list the operations, too")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    results: dict[str, Any] = {}
    print(f"{'model':<16}{'operations':>12}{'GB':>8}{'waits':>7}{'MB in':>8}{'MB out':>8}")
    for name in given.models:
        found = count(registry.find(name), width, height)
        megabytes = f"{found.host_bytes_in / 1e6:>8.1f}{found.host_bytes_out / 1e6:>8.1f}"
        print(f"{name:<16}{found.operations:>12}{found.bytes / 1e9:>8.2f}{found.waits:>7}{megabytes}")
        if given.names:
            for operation, moved in found.moved.most_common():
                print(f"    {found.names[operation]:>4} {operation:<32}{moved / 1e9:>8.3f} GB")
        results[name] = {key: value for key, value in vars(found).items() if key not in ("names", "moved")}
    if given.json:
        report = {"size": given.size, "torch": torch.__version__, "models": results}
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
