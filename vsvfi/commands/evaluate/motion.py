"""`vsvfi eval --motion`: how well the motion at a time between two frames is modelled, as GIMM's paper measures it.

The truth is what an estimator finds from the true frame to the two given ones: the motion over the whole interval of
what is seen at t, F(t, 1) - F(t, 0). On Vimeo-90K's triplets this is VTF, on its septuplets VSF (arXiv 2407.08680).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.commands.evaluate import metrics
from vsvfi.commands.evaluate.datasets import DATASETS, load_image
from vsvfi.errors import VsvfiError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from vsvfi.commands.evaluate.samples import Sample

__all__ = ["MODELS", "MotionRow", "evaluate_motion", "measure_motion"]

type Motion = Callable[[Tensor, Tensor, float], Tensor]


@dataclass(frozen=True, slots=True)
class MotionRow:
    """What was measured on one frame: PSNR of the normalised flow in dB, end-point error in pixels."""

    sample: str
    time: str
    psnr_f: float
    epe: float


def _linear(forward: Tensor, backward: Tensor, time: float) -> Tensor:
    """The motion from the first frame, taken at the same place: motion is taken as smooth."""
    del backward, time
    return forward


def _splatted(forward: Tensor, backward: Tensor, time: float) -> Tensor:
    """The motion from the first frame, carried along itself; where nothing arrives, the motion at the same place."""
    from torch import ones_like

    from vsvfi.ops import forward_splat

    del backward
    arrived = forward_splat(ones_like(forward[:, :1]), time * forward, mode="sum")
    moved = forward_splat(forward, time * forward, mode="average")
    return moved.where(arrived > 0, forward)


def _gimm() -> Motion:
    import torch

    from vsvfi.models import weights

    network: Any = weights.load(weights.networks()["gimm"])

    def predicted(forward: Tensor, backward: Tensor, time: float) -> Tensor:
        with torch.no_grad():
            flow: Tensor = network(network.encode(forward, backward), forward.new_tensor([time]))[1]
        return flow

    return predicted


MODELS: Mapping[str, Callable[[], Motion]] = {
    "linear": lambda: _linear,
    "forward-warp": lambda: _splatted,
    "gimm": _gimm,
}
"""The models of motion; gimm needs its weights."""


def measure_motion(samples: Sequence[Sample], model: Motion, estimator: str) -> Iterator[MotionRow]:
    """Every target of every sample."""
    from vsvfi.models import estimators

    flow = estimators.flow(estimator)
    for sample in samples:
        given = [_tensor(load_image(path, sample.transform)) for path in sample.inputs]
        for time, path in sample.targets:
            first = math.floor(time)
            before, after, part = given[first], given[first + 1], float(time - first)
            target = _tensor(load_image(path, sample.transform))
            forward, backward = flow(before, after), flow(after, before)
            truth = _array(flow(target, after) - flow(target, before))
            predicted = _array(model(forward, backward, part))
            scaler = max(float(forward.abs().max()), float(backward.abs().max()), 1e-6)
            psnr = metrics.flow_psnr(predicted, truth, scaler=scaler)
            yield MotionRow(sample.name, str(time), psnr, metrics.end_point_error(predicted, truth))


def _tensor(picture: NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def _array(flow: Tensor) -> NDArray[np.float32]:
    return flow[0].permute(1, 2, 0).numpy()


def evaluate_motion(
    dataset: str,
    root: Path,
    models: Sequence[str],
    estimator: str,
    *,
    out: Path,
    console: Console,
    limit: int | None = None,
) -> dict[str, dict[str, float]]:
    """Print and write ``<dataset>-motion.json``: the mean PSNR_f and EPE of each model of motion.

    Raises:
        VsvfiError: a model or the data set is not known, or weights are missing.
    """
    unknown = [name for name in models if name not in MODELS]
    if unknown:
        raise VsvfiError(f"unknown model of motion {unknown[0]!r}; known are {', '.join(MODELS)}")
    if dataset not in DATASETS:
        raise VsvfiError(f"unknown dataset {dataset!r}; known are {', '.join(DATASETS)}")
    samples = DATASETS[dataset].samples(root)[:limit]
    found = {}
    for name in models:
        rows = list(measure_motion(samples, MODELS[name](), estimator))
        finite = [row.psnr_f for row in rows if math.isfinite(row.psnr_f)]
        found[name] = {
            "psnr_f": sum(finite) / len(finite) if finite else math.nan,
            "epe": sum(row.epe for row in rows) / len(rows),
        }
        console.print(f"{name}: PSNR_f {found[name]['psnr_f']:.2f} dB, EPE {found[name]['epe']:.3f} pixels")
    out.mkdir(parents=True, exist_ok=True)
    report = {"dataset": dataset, "estimator": estimator, "frames": len(rows), "measured": found}
    (out / f"{dataset}-motion.json").write_text(json.dumps(report, indent=2) + "\n")
    return found
