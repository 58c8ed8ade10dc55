"""DIS: dense inverse search (Kroeger et al., ECCV 2016, arXiv 1603.03590), OpenCV's; classic, without weights."""

from __future__ import annotations

from vsvfi.models.info import EstimatorInfo

__all__ = ["INFOS"]

INFOS = (
    EstimatorInfo(
        name="dis",
        summary="dense inverse search, as OpenCV has it: classic optical flow, without weights, on the CPU",
        title="Fast Optical Flow using Dense Inverse Search",
        arxiv="1603.03590",
        code_license="Apache-2.0",
        task="flow",
        estimate="vsvfi.nets.dis.flow:estimate",
        minimum=16,
    ),
)
