"""Where a primed network's motion starts: quadratic motion through optical flow of four frames.

Flows from the inner frames to both neighbours give a constant-acceleration model a pixel (as equation 18 of the
paper); it is evaluated at the timestep and turned round by forward splatting.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsvfi.backends.jnmr.warp import sample
from vsvfi.ops import forward_splat

__all__ = ["FEATURES", "Prior", "measure_flows", "prior_motion"]

MAX_ACCELERATION = 0.5
"""A quadratic path leaves the straight one by at most this share of the straight motion (plus half a pixel)."""

REPEATED = 0.05
"""An outer frame in which less than this share of the inner motion is seen counts as a repeated one."""

_MINIMUM = 0.05

FEATURES = 10
"""Channels of `Prior.features`."""


class Prior(NamedTuple):
    """Motion from the new frame, at the timestep, to the frames around it."""

    offsets: Tensor
    """``(N, 6, 2, H, W)``: to the four frames (to the inner ones in a straight line), then M_f and M_b: to the
    second and third frame along the quadratic path."""
    visibility: Tensor
    """``(N, 2, H, W)`` in [0, 1]: whether the second and the third frame show what is here."""

    @property
    def features(self) -> Tensor:
        """What the trunk sees of it ``(N, 10, H, W)``, scaled to about 1."""
        past, future = self.offsets[:, 4], self.offsets[:, 5]
        bends = (past - self.offsets[:, 1], future - self.offsets[:, 2])
        return torch.cat((self.visibility - 0.5, past / 16, future / 16, bends[0] / 2, bends[1] / 2), 1)

    @property
    def side_logit(self) -> Tensor:
        """``(N, 1, H, W)``: positive where the past frames show more."""
        shown = self.visibility + _MINIMUM
        return torch.log(shown[:, :1] / shown[:, 1:])

    def align(self, frames: Tensor) -> Tensor:
        """The frames ``(N, 4, 3, H, W)`` moved to the timestep, once for each of the six motions."""
        return torch.stack([sample(frames[:, s], self.offsets[:, i]) for i, s in enumerate((0, 1, 2, 3, 1, 2))], 1)

    def pooled(self, factor: int) -> Prior:
        """The same at 1/``factor`` of the size."""
        return Prior(self.pooled_offsets(factor), F.avg_pool2d(self.visibility, factor))

    def pooled_offsets(self, factor: int) -> Tensor:
        """The offsets at 1/``factor`` of the size, in its pixels."""
        small = F.avg_pool2d(self.offsets.flatten(1, 2), factor) / factor
        return small.view(-1, *self.offsets.shape[1:3], *small.shape[-2:])


def measure_flows(
    frames: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]],
) -> NDArray[np.float32]:
    """Dense optical flow (DIS at its finest scale) between the luma ``(H, W)`` of four frames.

    Returns:
        ``(4, 2, H, W)``: second to third, third to second, second to first, third to fourth; 0 between frames
        that are the same, as where a window repeats a frame at a cut.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    flows = []
    for source, target in ((1, 2), (2, 1), (1, 0), (2, 3)):
        if np.array_equal(frames[source], frames[target]):
            flows.append(np.zeros((2, *frames[source].shape), np.float32))
        else:
            flow = dis.calc(frames[source], frames[target], np.empty(0, np.float32))
            flows.append(np.moveaxis(np.asarray(flow, np.float32), 2, 0))
    return np.ascontiguousarray(np.stack(flows))


def prior_motion(flows: Tensor, timestep: Tensor) -> Prior:
    """The motions at ``timestep`` ``(N,)`` from the flows ``(N, 4, 2, H, W)`` that `measure_flows` gives."""
    flows = flows.float()
    t = timestep.float().view(-1, 1, 1, 1)
    inner, outer = (flows[:, 0], flows[:, 1]), (flows[:, 2], flows[:, 3])
    past = _Side.of(inner[0], inner[1], outer[0], t)
    future = _Side.of(inner[1], inner[0], outer[1], 1 - t)
    quadratic = [
        torch.where(side.seen, side.quadratic, torch.where(other.seen, -other.quadratic * ratio, -side.path))
        for side, other, ratio in ((past, future, t / (1 - t)), (future, past, (1 - t) / t))
    ]
    straight = [path + side.bend for path, side in zip(quadratic, (past, future), strict=True)]
    outward = [path + side.outer for path, side in zip(quadratic, (past, future), strict=True)]
    offsets = torch.stack((outward[0], straight[0], straight[1], outward[1], quadratic[0], quadratic[1]), 1)
    return Prior(offsets, torch.cat((past.visibility, future.visibility), 1))


class _Side(NamedTuple):
    """The motion from one inner frame, splatted to the timestep."""

    path: Tensor
    quadratic: Tensor
    bend: Tensor
    outer: Tensor
    visibility: Tensor
    seen: Tensor

    @classmethod
    def of(cls, towards: Tensor, back: Tensor, outer: Tensor, t: Tensor) -> _Side:
        # A repeated outer frame, also one that compression has changed a little, says nothing about acceleration.
        still, moving = (flow.norm(dim=1, keepdim=True).mean((2, 3), keepdim=True) for flow in (outer, towards))
        repeated = still <= REPEATED * moving
        bend = torch.where(repeated, torch.zeros_like(outer), (towards + outer) * (t * t - t) / 2)
        length = bend.norm(dim=1, keepdim=True)
        limit = MAX_ACCELERATION * t * towards.norm(dim=1, keepdim=True) + 0.5
        bend = bend * (limit / length.clamp(min=1e-6)).clamp(max=1)
        path = t * towards + bend
        mismatch = (towards + sample(back, towards)).square().sum(1, keepdim=True)
        tolerance = 1 + 0.02 * towards.square().sum(1, keepdim=True)
        confidence = torch.exp(-mismatch / (2 * tolerance)) + 1e-3
        moved = forward_splat(torch.cat((torch.cat((-path, bend, outer), 1) * confidence, confidence), 1), path)
        total = moved[:, -1:]
        mean = moved[:, :-1] / total.clamp(min=1e-6)
        seen = total > _MINIMUM * 0.02
        bend_there = torch.where(seen, mean[:, 2:4], torch.zeros_like(bend))
        outer_there = torch.where(seen, mean[:, 4:6], outer)
        return cls(path, mean[:, :2], bend_there, outer_there, total.clamp(max=1), seen)
