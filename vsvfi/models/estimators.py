"""Networks that are of use alone, ready to be called: optical flow between two frames, depth of one frame.

Weights, device, padding and cropping are handled here; what is particular to a network is named by its `EstimatorInfo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vsvfi.models import registry
from vsvfi.models import weights as _weights
from vsvfi.models.info import EstimatorInfo, load_object
from vsvfi.models.padding import padding
from vsvfi.models.registry import UnknownModelError, closest_first

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Estimator", "depth", "flow"]


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
        (left, right), (top, bottom) = (
            padding(side, multiple=self.info.multiple, minimum=self.info.minimum, where=self.info.padding)
            for side in (width, height)
        )
        self.network.to(first.device)
        with torch.no_grad():
            padded = [functional.pad(frame.float(), (left, right, top, bottom), mode="replicate") for frame in frames]
            result: Tensor = self._estimate(self.network, *padded)
        return result[..., top : top + height, left : left + width]


def _estimator(task: Literal["flow", "depth"], name: str, weights: Sequence[str]) -> Estimator:
    known = {info.name: info for info in registry.networks().values() if isinstance(info, EstimatorInfo)}
    info = known.get(name)
    if info is None or info.task != task:
        names = [other.name for other in known.values() if other.task == task]
        ranked = ", ".join(closest_first(name, names))
        raise UnknownModelError(f"unknown {task} estimator {name!r}; known, closest first: {ranked}")
    if not info.build:
        return Estimator(info, _no_network())
    return Estimator(info, _weights.load(info, weights))


def _no_network() -> nn.Module:
    from torch import nn

    return nn.Module()


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
