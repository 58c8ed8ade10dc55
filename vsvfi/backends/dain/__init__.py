"""DAIN (Bao et al., CVPR 2019, arXiv 1904.00830): depth-aware flow projection, adaptive warping, any timestep."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets import megadepth, pwcnet
from vsvfi.nets.layouts import nested, nested_rename

__all__ = ["INFOS"]

_LICENSE = "none stated; fine-tuned from NVIDIA's PWC-Net (CC BY-NC-SA 4.0)"

INFOS = (
    BackendInfo(
        name="dain",
        summary="DAIN: near things hide far ones, by estimated depth; contexts and kernels, adaptive warping",
        build="vsvfi.backends.dain.network:build",
        recipe="vsvfi.backends.recipe:one_by_one",
        backend="vsvfi.backends.dain.backend:DAINBackend",
        title="Depth-Aware Video Frame Interpolation",
        arxiv="1904.00830",
        code_license="MIT, with PWC-Net code under CC BY-NC-SA 4.0",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="dain",
                file="best.pth",
                url="https://github.com/baowenbo/DAIN",
                license=_LICENSE,
                sources=("http://vllab1.ucmerced.edu/~wenbobao/DAIN/best.pth",),
            ),
        ),
        layouts=(
            Layout(
                has_all=(
                    *nested(pwcnet.HAS, "flownets."),
                    *nested(megadepth.HAS, "depthNet."),
                    "initScaleNets_filter2.2.weight",
                    "ctxNet.block3.conv2.weight",
                ),
                shapes=(("rectifyNet.block1.0.weight", (128, 437, 7, 7)),),
                rename=(
                    *nested_rename(pwcnet.RENAME, r"flownets\.", "flow."),
                    (r"^depthNet\.", "depth."),
                    (r"^initScaleNets_filter\.", "filter.trunk."),
                    (r"^initScaleNets_filter1\.", "filter.heads.0."),
                    (r"^initScaleNets_filter2\.", "filter.heads.1."),
                    (r"^ctxNet\.", "context."),
                    (r"^rectifyNet\.", "rectification."),
                ),
                ignore=(*nested(pwcnet.IGNORE, r"flownets\."), *megadepth.IGNORE),
            ),
        ),
        multiple=64,
        padding="center",
        tiling="internal",
        supports_flow_scale=True,
    ),
)
