"""MEMC-Net's parts (Bao et al., TPAMI 2019, arXiv 1810.08768), and its variant for video enhancement."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, Layout, NetworkInfo

__all__ = ["IGNORE", "INFOS", "RENAME"]

RENAME = (
    (r"^initScaleNets_(filter|occlusion)\.", r"\1.trunk."),
    (r"^initScaleNets_(filter|occlusion)1\.", r"\1.heads.0."),
    (r"^initScaleNets_(filter|occlusion)2\.", r"\1.heads.1."),
    (r"^flownets\.", "flow."),
    (r"^ctxNet\.", "context."),
    (r"^rectifyNet\.(head|tail)\.0\.", r"rectification.\1."),
    (r"^rectifyNet\.body\.(\d+)\.body\.0\.", r"rectification.body.\1.conv1."),
    (r"^rectifyNet\.body\.(\d+)\.body\.2\.", r"rectification.body.\1.conv2."),
    (r"^rectifyNet\.", "rectification."),
)
"""From the published names of all variants to ours."""

IGNORE = (r"num_batches_tracked$",)
"""Counters of batches seen in training; the published files are too old to have them."""

_URL = "https://github.com/baowenbo/MEMC-Net"
_LICENSE = "MIT"

INFOS = (
    NetworkInfo(
        name="memc-net-ve",
        summary="MEMC-Net_VE: super-resolution, denoising or deblocking of the middle of seven frames",
        build="vsvfi.nets.memc_net.enhancement:build",
        title="MEMC-Net: Motion Estimation and Motion Compensation Driven Neural Network for Video Interpolation and "
        "Enhancement",
        arxiv="1810.08768",
        code_license="MIT",
        weights_license=_LICENSE,
        checkpoints=tuple(
            Checkpoint(name=name, file=file, url=_URL, license=_LICENSE)
            for name, file in (
                ("super-resolution", "MEMC-Net_SR.pth"),
                ("denoising", "MEMC-Net_DN.pth"),
                ("deblocking", "MEMC-Net_DB.pth"),
            )
        ),
        layouts=(
            Layout(
                has_all=("flownets.conv6_1.0.weight", "initScaleNets_filter1.2.weight", "ctxNet.conv1.weight"),
                has_none=("initScaleNets_filter2.0.weight",),
                shapes=(("rectifyNet.head.0.weight", (128, 577, 3, 3)),),
                rename=RENAME,
                ignore=IGNORE,
            ),
        ),
    ),
)
