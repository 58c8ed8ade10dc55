"""MegaDepth (Li and Snavely, CVPR 2018, arXiv 1804.00607): depth, up to scale, from one frame."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["HAS", "IGNORE", "INFOS"]

HAS = ("0.weight", "1.running_mean", "3.0.0.1.0.0.weight", "3.0.1.0.3.3.weight", "4.weight")
"""Tensors that tell the network in a checkpoint."""

IGNORE = (r"num_batches_tracked$",)
"""Counters of batches seen in training."""

INFOS = (
    EstimatorInfo(
        name="megadepth",
        summary="MegaDepth hourglass: log depth, up to scale, of one frame",
        task="depth",
        build="vsvfi.nets.megadepth.network:build",
        estimate="vsvfi.nets.megadepth.network:estimate",
        multiple=16,
        title="MegaDepth: Learning Single-View Depth Prediction from Internet Photos",
        arxiv="1804.00607",
        code_license="MIT",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="megadepth",
                file="best_generalization_net_G.pth",
                url="https://github.com/zl548/MegaDepth",
                license="MIT",
            ),
        ),
        layouts=(Layout(has_all=HAS, shapes=(("0.weight", (128, 3, 7, 7)),), ignore=IGNORE),),
    ),
)
