"""Super SloMo (CVPR 2018, arXiv 1712.00080), in the layout of the usual public re-implementation."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="super-slomo",
        summary="bidirectional flow, refined and weighed by visibility at every timestep",
        backend="vsvfi.backends.super_slomo.backend:SuperSloMoBackend",
        build="vsvfi.backends.super_slomo.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="Super SloMo: High Quality Estimation of Multiple Intermediate Frames for Video Interpolation",
        arxiv="1712.00080",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="adobe240",
                file="SuperSloMo.ckpt",
                url="https://github.com/avinashpaliwal/Super-SloMo",
                license="MIT",
            ),
        ),
        layouts=(
            Layout(
                has_all=("state_dictFC.conv1.weight", "state_dictAT.up5.conv2.weight"),
                shapes=(
                    ("state_dictFC.conv1.weight", (-1, 6, 7, 7)),
                    ("state_dictFC.conv3.weight", (4, -1, 3, 3)),
                    ("state_dictAT.conv1.weight", (-1, 20, 7, 7)),
                    ("state_dictAT.conv3.weight", (5, -1, 3, 3)),
                ),
                rename=((r"^state_dictFC\.", "flow."), (r"^state_dictAT\.", "refinement.")),
            ),
        ),
        multiple=32,
    ),
)
