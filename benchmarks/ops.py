"""How fast the operators are: ``python benchmarks/ops.py [--device cuda] [--only splat] [--clock cpu]``.

For every operator: the time of a forward pass, the bytes that it has to move at least (each input read and each output
written once), the share of the machine's copy bandwidth that this makes, the memory in use at most as a multiple of
that of inputs and outputs, and how many times as long the torch reference and the obvious alternative take. Those are
measured on smaller images where they would need many gigabytes or minutes; a ratio always compares equal sizes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vsvfi import ops
from vsvfi.ops.adacof import reference as adacof_reference
from vsvfi.ops.adaptive_warp import reference as adaptive_warp_reference
from vsvfi.ops.backward_warp import reference as backward_warp_reference
from vsvfi.ops.bilateral_cost_volume import reference as bilateral_cost_volume_reference
from vsvfi.ops.correlation import reference as correlation_reference
from vsvfi.ops.correlation_lookup import reference as all_pairs_correlation_reference
from vsvfi.ops.deform_conv2d import reference as deform_conv2d_reference
from vsvfi.ops.flow_projection import reference as flow_projection_reference
from vsvfi.ops.forward_splat import reference as forward_splat_reference
from vsvfi.ops.separable_conv import reference as separable_conv_reference

type Inputs = tuple[Tensor, ...]
type Run = Callable[..., object]

FULL = (1080, 1920)

BATCH = 10
"""Runs in a row that are timed together on a GPU."""


@dataclass(frozen=True)
class Entry:
    """One line of the table. ``small`` divides the size at which the slow columns are measured."""

    name: str
    make: Callable[[int, int], Inputs]
    run: Run
    reference: Run
    alternative: tuple[str, Run] | None = None
    divide: int = 1
    small: float = 2.25


def smooth_flow(height: int, width: int, size: float = 8.0) -> Tensor:
    """A flow like that of video: large, and varying slowly."""
    coarse = torch.randn(1, 2, max(2, height // 60), max(2, width // 60)) * size
    return functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)


def image_and_flow(channels: int) -> Callable[[int, int], Inputs]:
    return lambda h, w: (torch.rand(1, channels, h, w), smooth_flow(h, w))


def with_kernels(channels: int) -> Callable[[int, int], Inputs]:
    return lambda h, w: (torch.rand(1, channels, h, w), smooth_flow(h, w), torch.rand(1, 16, h, w))


def with_metric(channels: int) -> Callable[[int, int], Inputs]:
    return lambda h, w: (torch.rand(1, channels, h, w), smooth_flow(h, w), torch.randn(1, 1, h, w))


def adacof_inputs(h: int, w: int) -> Inputs:
    offsets = [smooth_flow(h, w)[:, :1] + torch.randn(1, 25, h, w) for _ in range(2)]
    return (torch.rand(1, 3, h + 4, w + 4), torch.rand(1, 25, h, w), *offsets)


def separable_inputs(h: int, w: int) -> Inputs:
    return torch.rand(1, 3, h + 50, w + 50), torch.rand(1, 51, h, w), torch.rand(1, 51, h, w)


def features(h: int, w: int) -> Inputs:
    return torch.randn(1, 64, h, w), torch.randn(1, 64, h, w)


def deform_inputs(h: int, w: int) -> Inputs:
    return torch.randn(1, 64, h, w), torch.randn(1, 144, h, w), torch.rand(1, 72, h, w), torch.randn(64, 64, 3, 3)


def lookup_inputs(h: int, w: int) -> Inputs:
    volume = torch.randn(1, h * w, h, w)
    return volume, smooth_flow(h, w) + torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"))


def grid_sample(image: Tensor, flow: Tensor) -> Tensor:
    h, w = flow.shape[2:]
    x = torch.arange(w, device=flow.device) + flow[:, 0]
    y = torch.arange(h, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack((x * (2 / (w - 1)) - 1, y * (2 / (h - 1)) - 1), -1)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=True)


def index_put(image: Tensor, flow: Tensor) -> Tensor:
    channels, h, w = image.shape[1:]
    x = torch.arange(w, device=flow.device) + flow[0, 0]
    y = torch.arange(h, device=flow.device)[:, None] + flow[0, 1]
    output = image.new_zeros(channels, h, w)
    for row, weight_y in ((y.floor(), 1 - y.frac()), (y.floor() + 1, y.frac())):
        for column, weight_x in ((x.floor(), 1 - x.frac()), (x.floor() + 1, x.frac())):
            good = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            index = row[good].long() * w + column[good].long()
            values = image[0][:, good] * (weight_y * weight_x)[good]
            output.view(channels, -1).T.index_put_((index,), values.T, accumulate=True)
    return output


def unfold_separable(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    windows = image.unfold(2, vertical.shape[1], 1).unfold(3, horizontal.shape[1], 1)
    return torch.einsum("nchwji,njhw,nihw->nchw", windows, vertical, horizontal)


def unfold_correlation(first: Tensor, second: Tensor) -> Tensor:
    windows = functional.unfold(second, 9, padding=4).view(1, second.shape[1], 81, *second.shape[2:])
    return torch.einsum("nchw,ncdhw->ndhw", first, windows) / first.shape[1]


def deform(image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    return ops.deform_conv2d(image, offset, mask, weight, padding=1)


def torchvision_deform() -> tuple[str, Run] | None:
    try:
        from torchvision.ops import deform_conv2d
    except ImportError:
        return None
    return "torchvision", lambda i, o, m, w: deform_conv2d(i, o, w, padding=1, mask=m)


def entries() -> Iterator[Entry]:
    for channels, small in ((3, 1), (64, 2)):
        label = "RGB" if channels == 3 else "64 ch"
        make = image_and_flow(channels)
        yield Entry(
            f"backward_warp, {label}",
            make,
            ops.backward_warp,
            lambda i, f: backward_warp_reference(i, f, "bilinear", "replicate", True),
            ("grid_sample", grid_sample),
            small=small,
        )
        yield Entry(
            f"forward_splat sum, {label}", make, ops.forward_splat,
            lambda i, f: forward_splat_reference(i, f, None, None), ("index_put_", index_put), small=small,
        )  # fmt: skip
        yield Entry(
            f"forward_splat softmax, {label}", with_metric(channels),
            lambda i, f, m: ops.forward_splat(i, f, mode="softmax", metric=m),
            lambda i, f, m: forward_splat_reference(i, f, m.exp(), "add"), small=small,
        )  # fmt: skip
        yield Entry(
            f"adaptive_warp 4x4, {label}",
            with_kernels(channels),
            ops.adaptive_warp,
            adaptive_warp_reference,
            small=1 if channels == 3 else 4.5,
        )
    yield Entry(
        "flow_projection", lambda h, w: (smooth_flow(h, w),), ops.flow_projection,
        lambda f: flow_projection_reference(f, None, True, True), small=1,
    )  # fmt: skip
    yield Entry(
        "adacof 5x5, RGB",
        adacof_inputs,
        ops.adacof,
        lambda image, weights, x, y: adacof_reference(image, weights, x, y, 1),
    )
    yield Entry("separable_conv 51, RGB", separable_inputs, ops.separable_conv, separable_conv_reference)
    # Unfolded windows are 2,601 times as large as the image.
    yield Entry(
        "separable_conv 51, RGB at 1/9", separable_inputs, ops.separable_conv, separable_conv_reference,
        ("unfold + einsum", unfold_separable), 9, 1,
    )  # fmt: skip
    yield Entry(
        "correlation 9x9, 64 ch at 1/4", features, ops.correlation,
        lambda a, b: correlation_reference(a, b, 4, 1, 0), ("unfold + einsum", unfold_correlation), 4,
    )  # fmt: skip
    yield Entry(
        "deform_conv2d 3x3, 64 ch at 1/4", deform_inputs, deform,
        lambda x, o, m, w: deform_conv2d_reference(x, o, m, w, 1, 1, 1), torchvision_deform(), 4,
    )  # fmt: skip
    yield Entry(
        "correlation_lookup 9x9 at 1/16", lookup_inputs, lambda v, c: ops.correlation_lookup([v], c),
        lambda v, c: all_pairs_correlation_reference(v, c, 4), None, 16, 1,
    )  # fmt: skip
    yield Entry(
        "bilateral_cost_volume 5x5, 64 ch at 1/8", lambda h, w: (*features(h, w), smooth_flow(h, w, 1.0)),
        lambda a, b, m: ops.bilateral_cost_volume(a, b, m, timestep=0.5, radius=2),
        lambda a, b, m: bilateral_cost_volume_reference(a, b, m, 0.5, 2), None, 8,
    )  # fmt: skip


class Machine:
    """Where and by which clock times are taken."""

    def __init__(self, device: str, clock: str) -> None:
        self.device = device
        self.clock = time.process_time if clock == "cpu" else time.perf_counter

    def seconds(self, run: Callable[[], object], repeat: int) -> float:
        """The shortest of ``repeat`` runs after a first one; of the first alone where that is slow."""
        if self.device == "cuda":
            return self._gpu_seconds(run, repeat)
        best = float("inf")
        for turn in range(repeat + 1):
            start = self.clock()
            run()
            taken = self.clock() - start
            if turn > 0 or taken > 5:
                best = min(best, taken)
            if taken > 5:
                break
        return best

    @staticmethod
    def _gpu_seconds(run: Callable[[], object], repeat: int) -> float:
        """GPU time of a run, the median of ``repeat`` batches: a run of microseconds is shorter than its launch."""
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            run()
            side.synchronize()
            try:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=side):
                    for _ in range(BATCH):
                        run()
                batch: Callable[[], object] = graph.replay
            except RuntimeError:  # what asks for values on the host cannot be captured
                batch = lambda: [run() for _ in range(BATCH)]  # noqa: E731
            times: list[float] = []
            for _ in range(repeat + 1):
                start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                batch()
                stop.record()
                stop.synchronize()
                times.append(start.elapsed_time(stop) / 1e3 / BATCH)
        return statistics.median(times[1:])

    def bandwidth(self, count: int = 2**26) -> float:
        """Bytes per second that a large copy of ``count`` floats reads and writes."""
        source = torch.rand(count, device=self.device)
        target = torch.empty_like(source)
        return 2 * source.nbytes / self.seconds(lambda: target.copy_(source), 10)

    def peak(self, run: Callable[[], object]) -> int | None:
        """The largest number of bytes in use while ``run`` works, beyond what is there before."""
        if self.device == "cuda":
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            run()
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() - before
        status = Path("/proc/self/status")
        if not status.exists():
            return None
        gc.collect()
        _give_back()
        Path("/proc/self/clear_refs").write_text("5")  # Forget the peak so far.
        before = _kibibytes(status, "VmRSS")
        run()
        return max(0, _kibibytes(status, "VmHWM") - before) * 1024


def _give_back() -> None:
    """Have glibc return freed memory to the system, so that it is counted when it is taken again."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _kibibytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def nbytes(result: object) -> int:
    if isinstance(result, Tensor):
        return result.nbytes
    return sum(nbytes(part) for part in result) if isinstance(result, tuple) else 0


def measure(
    entry: Entry, machine: Machine, full: tuple[int, int] = FULL, *, repeat: int = 5, ratios: bool = True
) -> dict[str, Any]:
    """What one entry needs at ``full`` size (height, width); with ``ratios``, also how much longer others take."""
    torch.manual_seed(0)
    height, width = (max(8, length // entry.divide) for length in full)
    inputs = tuple(tensor.to(machine.device) for tensor in entry.make(height, width))
    entry.run(*inputs)  # What is made once, threads and compiled kernels, is not measured.
    peak = machine.peak(lambda: entry.run(*inputs))
    output = nbytes(entry.run(*inputs))
    moved = nbytes(inputs) + output
    figures = {
        "size": [width, height],
        "seconds": machine.seconds(lambda: entry.run(*inputs), repeat),
        "bytes": moved,
        "memory": None if peak is None else 1 + max(0, peak - output) / moved,
    }
    if not ratios:
        return figures
    small = [max(8, int(length / entry.small)) for length in (height, width)]
    inputs = tuple(tensor.to(machine.device) for tensor in entry.make(small[0], small[1]))
    ours = machine.seconds(lambda: entry.run(*inputs), repeat)
    figures |= {"small": small[::-1], "reference": machine.seconds(lambda: entry.reference(*inputs), 3) / ours}
    if entry.alternative is not None:
        name, run = entry.alternative
        figures["alternative"] = [name, machine.seconds(lambda: run(*inputs), 3) / ours]
    return figures


def line(entry: Entry, figures: dict[str, Any], bandwidth: float) -> str:
    """The table's line of one entry."""
    alternative = figures.get("alternative")
    cells = [
        entry.name,
        "{}x{}".format(*figures["size"]),
        f"{figures['seconds'] * 1e3:.3g}",
        f"{figures['bytes'] / 2**20:.0f}",
        f"{figures['bytes'] / figures['seconds'] / bandwidth:.0%}",
        "-" if figures["memory"] is None else f"{figures['memory']:.2f}",
        "{}x{}".format(*figures["small"]),
        f"{figures['reference']:.1f}",
        f"{alternative[0]}: {alternative[1]:.1f}" if alternative else "-",
    ]
    return f"| {' | '.join(cells)} |"


def processor() -> str:
    """The machine's name and its number of cores."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name} ({os.cpu_count()} cores)"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", default="", help="only the operators whose name contains this")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"), help="cpu: processor time of all threads")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    machine = Machine(arguments.device, arguments.clock)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else processor()
    bandwidth = machine.bandwidth()
    print(f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.clock} clock;", end=" ")
    print(f"a copy moves {bandwidth / 1e9:.1f} GB/s (read and written)\n")
    print("| operator | size | ms | MiB at least | of copy bandwidth | memory | ratios at | reference | alternative |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    with torch.inference_mode():
        for entry in entries():
            if arguments.only in entry.name:
                figures = measure(entry, machine, repeat=arguments.repeat)
                print(line(entry, figures, bandwidth), flush=True)


if __name__ == "__main__":
    main()
