"""SPyNet: optical flow estimation using a spatial pyramid network (CVPR 2017, arXiv 1611.00850)."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["INFOS", "RENAME"]

RENAME = (r"moduleBasic\.(\d)\.moduleBasic\.", r"levels.\1.")
"""From the published names of a level's layers to ours."""

INFOS = (
    EstimatorInfo(
        name="spynet",
        summary="optical flow: residuals from the coarsest level of an image pyramid to the finest, four levels",
        task="flow",
        build="vsvfi.nets.spynet.network:build",
        estimate="vsvfi.nets.spynet.network:estimate",
        title="Optical Flow Estimation using a Spatial Pyramid Network",
        arxiv="1611.00850",
        weights_license="none stated",
        commercial_use=False,
        minimum=16,
        checkpoints=(
            Checkpoint(
                name="sintel-final",
                file="network-sintel-final.pytorch",
                url="http://content.sniklaus.com/github/pytorch-spynet/network-sintel-final.pytorch",
                license="none stated",
            ),
        ),
        layouts=(
            Layout(
                has_all=("moduleBasic.0.moduleBasic.0.weight", "moduleBasic.3.moduleBasic.8.bias"),
                shapes=(("moduleBasic.0.moduleBasic.0.weight", (32, 8, 7, 7)),),
                rename=(RENAME,),
                # The four-level variant takes the first four of the six published levels.
                ignore=(r"^moduleBasic\.[4-9]\.",),
            ),
        ),
    ),
)
