"""MEMC-Net (Bao et al., TPAMI 2019, arXiv 1810.08768): motion estimation and compensation, adaptive warping."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets.memc_net import IGNORE, RENAME
from vsvfi.nets.spynet import RENAME as SPYNET_RENAME

__all__ = ["INFOS"]


_URL = "https://github.com/baowenbo/MEMC-Net"
_TITLE = (
    "MEMC-Net: Motion Estimation and Motion Compensation Driven Neural Network for Video Interpolation and Enhancement"
)


def _info(name: str, summary: str, file: str, layout: Layout) -> BackendInfo:
    return BackendInfo(
        name=name,
        summary=summary,
        build="vsvfi.backends.memc_net.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        backend="vsvfi.backends.memc_net.backend:MEMCNetBackend",
        title=_TITLE,
        arxiv="1810.08768",
        code_license="MIT",
        weights_license="MIT",
        checkpoints=(Checkpoint(name=name, file=file, url=_URL, license="MIT"),),
        layouts=(layout,),
        timesteps="midpoint",
        multiple=64,
        padding="center",
        tiling="internal",
        supports_flow_scale=True,
    )


INFOS = (
    _info(
        "memc-net-star",
        "MEMC-Net*: adaptive warping of frames and context features, blended by occlusion",
        "MEMC-Net_star_best.pth",
        Layout(
            has_all=("flownets.conv6_1.0.weight", "initScaleNets_occlusion2.2.weight", "ctxNet.conv1.weight"),
            shapes=(("rectifyNet.head.0.weight", (-1, 169, 3, 3)),),
            rename=RENAME,
            ignore=IGNORE,
        ),
    ),
    _info(
        "memc-net",
        "MEMC-Net: adaptive warping of frames, blended by occlusion",
        "MEMC-Net_best.pth",
        Layout(
            has_all=("flownets.conv6_1.0.weight", "initScaleNets_occlusion2.2.weight", "rectifyNet.14.weight"),
            shapes=(("rectifyNet.0.weight", (64, 41, 3, 3)),),
            rename=RENAME,
            ignore=IGNORE,
        ),
    ),
    _info(
        "memc-net-s",
        "MEMC-Net_s: the small one, with SPyNet's flow and no occlusion maps",
        "MEMC-Net_s_best.pth",
        Layout(
            has_all=(
                "flownets.moduleBasic.0.moduleBasic.0.weight",
                "flownets.moduleBasic.5.moduleBasic.8.weight",
                "initScaleNets_filter2.2.weight",
            ),
            has_none=("initScaleNets_occlusion.0.weight",),
            shapes=(("rectifyNet.0.weight", (64, 41, 3, 3)),),
            rename=(SPYNET_RENAME, *RENAME),
            ignore=IGNORE,
        ),
    ),
    BackendInfo(
        name="memc-net-ve",
        kind="enhance",
        summary="MEMC-Net_VE: super-resolution, denoising or deblocking of the middle of seven frames",
        build="vsvfi.nets.memc_net.enhancement:build",
        backend="vsvfi.backends.memc_net.enhancement:MEMCNetVEBackend",
        title=_TITLE,
        arxiv="1810.08768",
        code_license="MIT",
        weights_license="MIT",
        checkpoints=tuple(
            Checkpoint(name=name, file=file, url=_URL, license="MIT")
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
        window=(-3, -2, -1, 0, 1, 2, 3),
        multiple=64,
        padding="center",
    ),
)
