"""GIMM: Generalizable Implicit Motion Modeling (NeurIPS 2024, arXiv 2407.08680), the motion of GIMM-VFI alone."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, Layout, NetworkInfo

__all__ = ["HOME", "INFOS", "LICENSE", "RENAME"]

HOME = "https://huggingface.co/GSean/GIMM-VFI"

LICENSE = "S-Lab License 1.0 (non-commercial)"

RENAME = (
    (r"^cnn_encoder\.", "encoder."),
    (r"^res_conv\.", "refiner."),
    (r"^hyponet\.params_dict\.linear_wb", "coordinate_network.layers."),
)
"""From the published names to ours."""

INFOS = (
    NetworkInfo(
        name="gimm",
        summary="implicit motion modelling: the flow at any time between two frames, from the flows between them",
        build="vsvfi.nets.gimm.network:build",
        recipe="vsvfi.nets.gimm.training:recipe",
        title="Generalizable Implicit Motion Modeling for Video Frame Interpolation",
        arxiv="2407.08680",
        code_license="MIT",
        weights_license=LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="gimm", file="gimm.pt", url=HOME, license=LICENSE, sources=(f"{HOME}/resolve/main/gimm.pt",)
            ),
        ),
        layouts=(
            Layout(
                has_all=("g_filter", "alpha_fe", "cnn_encoder.7.weight", "res_conv.5.weight"),
                has_none=("amt_comb_block.0.weight",),
                shapes=(("hyponet.params_dict.linear_wb0", (36, 128)),),
                rename=RENAME,
            ),
        ),
    ),
)
