"""Networks that are of use alone: optical flow between two frames, depth of one frame.

An estimator declares itself with an `EstimatorInfo` in the ``INFOS`` of its (torch-free) module, for example::

    EstimatorInfo(
        name="raft",
        summary="...",
        task="flow",
        build="vsvfi.nets.raft.network:build",
        estimate="vsvfi.nets.raft.network:estimate",
        multiple=8,
        layouts=...,
    )

where ``estimate(network, frame0, frame1)`` (``estimate(network, frame)`` for depth) takes RGB frames
``(N, 3, H, W)`` in [0, 1], already padded, converts them to what the network was trained on (BGR, 0..255, a mean
subtracted), and returns the flow ``(N, 2, H, W)`` in pixels of its input, channel 0 = x, from the first frame to
the second, in fp32 (for depth: the map ``(N, 1, H, W)``). Everything else — weights, device, padding, cropping —
happens here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vsvfi import weights as _weights
from vsvfi.backend import NetworkInfo, load_object
from vsvfi.registry import UnknownModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Estimator", "EstimatorInfo", "depth", "flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorInfo(NetworkInfo):
    """A network that estimates one thing, at full resolution, from one or two frames.

    ``estimate`` is the import path of the function described at the top of this module. ``multiple`` and
    ``minimum`` are the sizes in pixels that it can be given; callers pad by replication, where ``padding`` says.
    """

    task: Literal["flow", "depth"]
    estimate: str
    multiple: int = 1
    minimum: int = 1
    padding: Literal["end", "center"] = "end"

    @property
    def frames(self) -> int:
        """How many frames it takes."""
        return 2 if self.task == "flow" else 1


class Estimator:
    """An estimator with its weights: called on frames, returns the estimate.

    ``network`` is the module itself, in eval mode and fp32.
    """

    def __init__(self, info: EstimatorInfo, network: nn.Module) -> None:
        self.info = info
        self.network = network
        self._estimate = load_object(info.estimate)

    def __call__(self, *frames: Tensor) -> Tensor:
        """Estimate at the frames' own size, on the frames' device.

        Args:
            frames: RGB ``(N, 3, H, W)``, float, in [0, 1]; two of the same shape for flow, one for depth.

        Returns:
            flow ``(N, 2, H, W)`` in pixels from the first to the second, channel 0 = x; or depth ``(N, 1, H, W)``.

        Raises:
            TypeError: another number of frames than the task takes.
            ValueError: a frame of another shape.
        """
        import torch
        from torch.nn import functional

        if len(frames) != self.info.frames:
            raise TypeError(f"{self.info.name} takes {self.info.frames} frame(s), got {len(frames)}")
        first = frames[0]
        for frame in frames:
            if frame.ndim != 4 or frame.shape[1] != 3 or frame.shape != first.shape:
                shapes = ", ".join(str(tuple(other.shape)) for other in frames)
                raise ValueError(f"{self.info.name} takes RGB frames (N, 3, H, W) of one shape, got {shapes}")
        height, width = first.shape[-2:]
        left, right = self._padding(width)
        top, bottom = self._padding(height)
        self.network.to(first.device)
        with torch.no_grad():
            padded = [functional.pad(frame.float(), (left, right, top, bottom), mode="replicate") for frame in frames]
            result: Tensor = self._estimate(self.network, *padded)
        return result[..., top : top + height, left : left + width]

    def _padding(self, size: int) -> tuple[int, int]:
        wanted = max(size, self.info.minimum)
        missing = -(-wanted // self.info.multiple) * self.info.multiple - size
        before = missing // 2 if self.info.padding == "center" else 0
        return before, missing - before


def _estimator(task: Literal["flow", "depth"], name: str, weights: Sequence[str]) -> Estimator:
    known = {info.name: info for info in _weights.networks().values() if isinstance(info, EstimatorInfo)}
    info = known.get(name)
    if info is None or info.task != task:
        names = [other.name for other in known.values() if other.task == task]
        names.sort(key=lambda other: (-difflib.SequenceMatcher(None, name.lower(), other).ratio(), other))
        raise UnknownModelError(f"unknown {task} estimator {name!r}; known, closest first: {', '.join(names)}")
    return Estimator(info, _weights.load(info, weights))


def flow(name: str, weights: Sequence[str] = ()) -> Estimator:
    """An optical-flow estimator, ready to be called on two frames: ``vsvfi.flow("raft")(frame0, frame1)``.

    Args:
        name: ``"pwcnet"``, ``"raft"`` ...; `vsvfi weights` lists them.
        weights: names of added checkpoints or paths of files; by default the first that was added.

    Raises:
        UnknownModelError: no flow estimator has this name.
        WeightsError: its weights were not added; the message says how.
    """
    return _estimator("flow", name, weights)


def depth(name: str, weights: Sequence[str] = ()) -> Estimator:
    """A depth estimator, ready to be called on one frame; arguments and errors as those of `flow`."""
    return _estimator("depth", name, weights)
