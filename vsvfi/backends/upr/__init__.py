"""UPR-Net: A Unified Pyramid Recurrent Network for Video Frame Interpolation (CVPR 2023, arXiv 2211.03456)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "CC BY-NC-ND 4.0"
_URL = "https://github.com/srcn-ivl/UPR-Net"
_COMMIT = "dc39221fd3b7bbbc0682915249e653b654f41777"
_RENAME = (
    (r"^feat_pyramid\.conv_stage(\d)\.", r"features.\1."),
    *((rf"^motion_estimator\.conv_layer{n}\.", f"motion.layers.{n - 1}.") for n in range(1, 6)),
    (r"^motion_estimator\.conv_layer6\.0\.", "motion.flow."),
    (r"^synthesis_network\.", "synthesis."),
)


def _info(size: str, width: int) -> BackendInfo:
    return BackendInfo(
        name=f"upr-{size}",
        summary="a small recurrent network from coarse to fine, for both flow and frame",
        build="vsvfi.backends.upr.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        backend="vsvfi.backends.upr.backend:UPRBackend",
        title="A Unified Pyramid Recurrent Network for Video Frame Interpolation",
        arxiv="2211.03456",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="vimeo90k",
                file=f"upr-{size}.pkl",
                url=f"{_URL}/tree/main/checkpoints",
                license=_LICENSE,
                sources=(f"{_URL}/raw/{_COMMIT}/checkpoints/upr-{size}.pkl",),
            ),
        ),
        layouts=(
            Layout(
                has_all=("motion_estimator.conv_layer6.0.weight", "synthesis_network.pred.weight"),
                shapes=(("feat_pyramid.conv_stage0.0.weight", (width, 3, 3, 3)),),
                rename=_RENAME,
            ),
        ),
        multiple=16,
        minimum=32,
        supports_flow_scale=True,
    )


INFOS = (_info("base", 16), _info("large", 24), _info("llarge", 32))
