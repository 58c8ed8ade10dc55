"""FlowNetS (Dosovitskiy et al., ICCV 2015, arXiv 1504.06852): optical flow by one encoder-decoder."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["HAS", "INFOS"]

HAS = ("conv6_1.0.weight", "deconv2.0.weight", "predict_flow2.weight", "upsampled_flow3_to_2.weight")
"""Tensors that tell the network in a checkpoint."""

INFOS = (
    EstimatorInfo(
        name="flownets",
        summary="FlowNetS as MEMC-Net uses it: optical flow by one encoder-decoder",
        task="flow",
        build="vsvfi.nets.flownets.network:build",
        estimate="vsvfi.nets.flownets.network:estimate",
        multiple=64,
        title="FlowNet: Learning Optical Flow with Convolutional Networks",
        arxiv="1504.06852",
        code_license="MIT",
        weights_license="none stated (code: MIT)",
        checkpoints=(
            Checkpoint(
                name="flownets",
                file="flownets_pytorch.pth",
                url="https://github.com/ClementPinard/FlowNetPytorch",
                license="none stated (code: MIT)",
            ),
        ),
        layouts=(
            Layout(
                has_all=HAS,
                # FlowNet2-S has biases here; FlowNetC and FlowNet2 have other layers besides
                has_none=("predict_flow2.bias", "conv_redir.0.weight"),
                shapes=(("conv1.0.weight", (64, 6, 7, 7)),),
            ),
        ),
    ),
)
