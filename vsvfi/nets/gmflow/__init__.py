"""GMFlow: Learning Optical Flow via Global Matching (CVPR 2022, arXiv 2111.13680)."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["INFOS"]


def _checkpoint(name: str, digest: str) -> Checkpoint:
    return Checkpoint(
        name=name,
        file=f"gmflow_with_refine_{name}-{digest}.pth",
        url="https://github.com/haofeixu/gmflow",
        license="Apache-2.0",
    )


INFOS = (
    EstimatorInfo(
        name="gmflow",
        summary="optical flow: features of a transformer, matched globally, then refined locally",
        task="flow",
        build="vsvfi.nets.gmflow.network:build",
        estimate="vsvfi.nets.gmflow.network:estimate",
        title="GMFlow: Learning Optical Flow via Global Matching",
        arxiv="2111.13680",
        weights_license="Apache-2.0",
        multiple=32,
        padding="center",
        checkpoints=(
            _checkpoint("things", "36579974"),
            _checkpoint("sintel", "3ed1cf48"),
            _checkpoint("kitti", "8d3b9786"),
        ),
        layouts=(
            Layout(
                has_all=("transformer.layers.5.cross_attn_ffn.mlp.2.weight", "feature_flow_attn.k_proj.weight"),
                # Both scales, with the refinement: those without it upsample by 8 and have no such convolution.
                shapes=(
                    ("backbone.trident_conv.weight", (-1, -1, 3, 3)),
                    ("upsampler.2.weight", (9 * 4 * 4, -1, 1, 1)),
                ),
            ),
        ),
    ),
)
