"""FlowNet 2.0: evolution of optical flow estimation with deep networks (CVPR 2017, arXiv 1612.01925)."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout
from vsvfi.nets.flownets import HAS
from vsvfi.nets.layouts import nested

__all__ = ["INFOS"]


_LICENSE = "research only (converted from the authors' Caffe models)"


def _info(name: str, summary: str, build: str, published: str, layout: Layout) -> EstimatorInfo:
    return EstimatorInfo(
        name=name,
        summary=summary,
        task="flow",
        build=f"vsvfi.nets.flownet2.network:{build}",
        estimate="vsvfi.nets.flownet2.network:estimate",
        title="FlowNet 2.0: Evolution of Optical Flow Estimation with Deep Networks",
        arxiv="1612.01925",
        weights_license=_LICENSE,
        commercial_use=False,
        multiple=64,
        checkpoints=(
            Checkpoint(
                name=name,
                file=f"{published}_checkpoint.pth.tar",
                url="https://github.com/NVIDIA/flownet2-pytorch",
                license=_LICENSE,
            ),
        ),
        layouts=(layout,),
    )


INFOS = (
    _info(
        "flownet2",
        "optical flow by a stack of FlowNets that warp and refine, and one for small motion",
        "build",
        "FlowNet2",
        Layout(
            has_all=(
                *nested(HAS, "flownetc."),
                *nested(HAS, "flownets_1."),
                *nested(HAS, "flownets_2."),
                *nested(HAS, "flownets_d."),
                "flownetfusion.predict_flow0.weight",
            )
        ),
    ),
    _info(
        "flownet2-c",
        "optical flow by FlowNetC: features of both frames, correlated",
        "build_c",
        "FlowNet2-C",
        Layout(has_all=(*HAS, "conv_redir.0.weight", "predict_flow2.bias")),
    ),
    _info(
        "flownet2-s",
        "optical flow by FlowNetS: both frames in, one encoder-decoder",
        "build_s",
        "FlowNet2-S",
        Layout(has_all=(*HAS, "predict_flow2.bias"), shapes=(("conv1.0.weight", (64, 6, 7, 7)),)),
    ),
)
