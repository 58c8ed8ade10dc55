"""Deep Voxel Flow: video frame synthesis using deep voxel flow (ICCV 2017, arXiv 1702.02463)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "non-commercial research and educational purposes only"

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="voxel-flow",
        summary="one symmetric flow and a blending mask a pixel, learnt from video alone",
        backend="vsvfi.backends.voxel_flow.backend:VoxelFlowBackend",
        build="vsvfi.backends.voxel_flow.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="Video Frame Synthesis using Deep Voxel Flow",
        arxiv="1702.02463",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="ucf101",
                file="voxelflow_model_best.pth.tar",
                url="https://github.com/lxx1991/pytorch-voxel-flow",
                license=_LICENSE,
            ),
        ),
        layouts=(
            Layout(
                has_all=(
                    "conv1.weight",
                    "conv1_bn.running_mean",
                    "bottleneck_bn.weight",
                    "deconv3.weight",
                    "conv4.bias",
                ),
                shapes=(
                    ("conv1.weight", (-1, 6, 5, 5)),
                    ("conv4.weight", (3, -1, 5, 5)),
                ),
            ),
        ),
        timesteps="midpoint",
        multiple=8,
    ),
)
