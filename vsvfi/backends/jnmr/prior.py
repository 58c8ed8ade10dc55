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
from vsvfi.compiled import flow as kernels
from vsvfi.ops import forward_splat

__all__ = ["FEATURES", "Prior", "measure_flows", "prior_motion"]

MAX_ACCELERATION = 0.5
"""A quadratic path leaves the straight one by at most this share of the straight motion (plus half a pixel)."""

AGREEMENT_REACH = 16
"""Pixels around each over which accelerations are compared."""

REPEATED = 0.05
"""An outer frame in which less than this share of the inner motion is seen counts as a repeated one."""

SURROUNDINGS = 21
"""Width in pixels of the square in which two flows are compared."""

DOUBT = 0.5
"""The second flow is taken where its mean error is lower by this much, of 255."""

_SEARCH = kernels.Search(cell=2, stride=3, propagations=4, iterations=4, range=16, step=1)
_MINIMUM = 0.05
_SEEN = 1e-3

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
    """Dense optical flow between the luma ``(H, W)`` of four frames.

    Two estimates are made: OpenCV's DIS at its finest scale, which is exact, and the search of ``model="flow"``,
    refined, which finds small things that move far. Each place takes the one that explains its surroundings better.

    Returns:
        ``(4, 2, H, W)``: second to third, third to second, second to first, third to fourth; 0 between frames
        that are the same, as where a window repeats a frame at a cut.
    """
    pyramids = [kernels.pyramid((frame,), 8, 1) for frame in frames]
    flows = []
    for source, target in ((1, 2), (2, 1), (1, 0), (2, 3)):
        first, second = frames[source], frames[target]
        if np.array_equal(first, second):
            flow = np.zeros((*first.shape, 2), np.float32)
        else:
            dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            dis.setFinestScale(0)
            exact = np.asarray(dis.calc(first, second, np.empty(0, np.float32)), np.float32)
            found = _upsampled(kernels.search(pyramids[source], pyramids[target], _SEARCH), first.shape)
            far = np.asarray(cv2.VariationalRefinement.create().calc(first, second, found), np.float32)
            better = _mismatch(first, second, far) + DOUBT < _mismatch(first, second, exact)
            flow = np.where(better[..., None], far, exact)
        flows.append(np.moveaxis(flow, 2, 0))
    return np.ascontiguousarray(np.stack(flows))


def _upsampled(flow: tuple[NDArray[np.float32], NDArray[np.float32]], size: tuple[int, ...]) -> NDArray[np.float32]:
    """A flow on the search's grid as ``(H, W, 2)``."""
    height, width = size
    large = [cv2.resize(part, None, fx=_SEARCH.cell, fy=_SEARCH.cell)[:height, :width] for part in flow]
    return np.stack(large, -1).astype(np.float32, copy=False)


def _mismatch(first: NDArray[np.uint8], second: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute difference ``(H, W)``, around each pixel, of a frame and the other one moved onto it."""
    y, x = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    moved = cv2.remap(second, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    difference = cv2.absdiff(first, moved.astype(np.uint8, copy=False)).astype(np.float32)
    return np.asarray(cv2.boxFilter(difference, -1, (SURROUNDINGS, SURROUNDINGS)), np.float32)


def prior_motion(flows: Tensor, timestep: Tensor) -> Prior:
    """The motions at ``timestep`` ``(N,)`` from the flows ``(N, 4, 2, H, W)`` that `measure_flows` gives."""
    flows = flows.float()
    t = timestep.float().view(-1, 1, 1, 1)
    forward, backward, past_outer, future_outer = flows.unbind(1)
    past = _carry(forward, backward, past_outer, t)
    future = _carry(backward, forward, future_outer, 1 - t)
    # Both directions measure one motion and one acceleration: their mean has less noise than either. The nearer
    # frame counts more, and so does what is visible in it.
    past_weight, future_weight = past.seen * (1 - t), future.seen * t
    total = (past_weight + future_weight).clamp(min=1e-6)
    known = past_weight + future_weight > 1e-4
    motion = torch.where(known, (past.motion * past_weight - future.motion * future_weight) / total, forward)
    bend = torch.where(known, (past.bend * past_weight + future.bend * future_weight) / total, torch.zeros_like(motion))
    bend = bend * _agreement(past.bend, future.bend)
    straight_past, straight_future = -t * motion, (1 - t) * motion
    curved_past, curved_future = straight_past - bend, straight_future - bend
    offsets = (
        curved_past + torch.where(past.seen > _SEEN, past.outer, past_outer),
        straight_past,
        straight_future,
        curved_future + torch.where(future.seen > _SEEN, future.outer, future_outer),
        curved_past,
        curved_future,
    )
    return Prior(torch.stack(offsets, 1), torch.cat((past.seen, future.seen), 1).clamp(max=1))


class _Carried(NamedTuple):
    """What is known in one inner frame, carried to the timestep along its paths: means of what arrives.

    ``motion`` and ``outer`` ``(N, 2, H, W)`` lead to the other inner and to the outer frame, ``bend`` from the straight
    path to the curved one; ``seen`` ``(N, 1, H, W)`` is how much arrives, weighted by how far it can be trusted.
    """

    motion: Tensor
    bend: Tensor
    outer: Tensor
    seen: Tensor


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    """How much of an acceleration to believe that two neighbouring instants measured, ``(N, 1, H, W)`` in [0, 1].

    All of it where both saw the same, nothing where they contradict each other, as when a camera shakes.
    """

    def around(values: Tensor) -> Tensor:
        reach = min(AGREEMENT_REACH, *(size - 1 for size in values.shape[-2:]))
        return F.avg_pool2d(F.pad(values, (reach,) * 4, mode="replicate"), 2 * reach + 1, 1)

    common = around((first * second).sum(1, keepdim=True))
    power = around((first.square() + second.square()).sum(1, keepdim=True) / 2)
    return (common / (power + 0.01)).clamp(0, 1)


def _carry(towards: Tensor, back: Tensor, outer: Tensor, t: Tensor) -> _Carried:
    # A repeated outer frame, also one that compression has changed a little, says nothing about acceleration.
    still, moving = (flow.norm(dim=1, keepdim=True).mean((2, 3), keepdim=True) for flow in (outer, towards))
    bend = torch.where(still <= REPEATED * moving, torch.zeros_like(outer), (towards + outer) * (t * t - t) / 2)
    limit = MAX_ACCELERATION * t * towards.norm(dim=1, keepdim=True) + 0.5
    bend = bend * (limit / bend.norm(dim=1, keepdim=True).clamp(min=1e-6)).clamp(max=1)
    mismatch = (towards + sample(back, towards)).square().sum(1, keepdim=True)
    trust = torch.exp(-mismatch / (2 + 0.04 * towards.square().sum(1, keepdim=True))) + 1e-3
    values = torch.cat((torch.cat((towards, bend, outer), 1) * trust, trust), 1)
    arrived = forward_splat(values, t * towards + bend)
    seen = arrived[:, 6:]
    means = arrived[:, :6] / seen.clamp(min=1e-6)
    return _Carried(means[:, :2], means[:, 2:4], means[:, 4:], seen)
