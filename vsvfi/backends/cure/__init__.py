"""CURE: Learning Cross-Video Neural Representations for Frame Interpolation (ECCV 2022, arXiv 2203.00137)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets import raft

__all__ = ["INFOS"]

INFOS = (
    BackendInfo(
        name="cure",
        summary="colours read from a neural representation of the pair, by place, time and warped features",
        build="vsvfi.backends.cure.network:build",
        recipe="vsvfi.backends.recipe:one_by_one",
        backend="vsvfi.backends.cure.backend:CUREBackend",
        title="Learning Cross-Video Neural Representations for High-Quality Frame Interpolation",
        arxiv="2203.00137",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(name="cure", file="CURE.pth.tar", url="https://github.com/wustl-cig/CURE", license="MIT"),
        ),
        layouts=(
            Layout(
                has_all=(
                    "FE.body.8.weight",
                    "OF.update_block.gru.convz2.weight",
                    "Fuser.dec4.Conv.weight",
                    "INR.layers.10.weight",
                ),
                shapes=(("INR.layers.0.weight", (256, 1155)),),
                rename=(
                    (r"^FE\.(head)\.0\.", r"feature_encoder.\1."),
                    (r"^FE\.body\.(\d)\.body\.0\.", r"feature_encoder.body.\1.conv1."),
                    (r"^FE\.body\.(\d)\.body\.2\.", r"feature_encoder.body.\1.conv2."),
                    (r"^FE\.body\.8\.", "feature_encoder.body.8."),
                    *raft.RENAME,
                    (r"^OF\.", "flow_estimator."),
                    (r"^Fuser\.(enc|dec)(\d)\.Conv\.", r"fuser.\1\2.conv."),
                    (r"^INR\.layers\.", "representation.layers."),
                ),
                # The mean shifts are saved but never applied.
                ignore=(*raft.UNUSED, r"^FE\.(sub|add)_mean\."),
            ),
        ),
        minimum=64,
        tiling="discouraged",
    ),
)
