"""EMA-VFI (CVPR 2023): motion and appearance from one inter-frame attention, in its two published sizes."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_HOME = "https://github.com/MCG-NJU/EMA-VFI"

# Our names for the published ones.
_RENAME = (
    (r"^feature_bone\.", "backbone."),
    (r"^backbone\.block([123])\.conv\.", r"backbone.stage\1."),
    (r"^backbone\.block([45])\.", r"backbone.stage\1."),
    (r"^backbone\.patch_embed([23])\.", r"backbone.down\1."),
    (r"^backbone\.patch_embed([45])\.", r"backbone.embed\1."),
    (r"\.dwconv\.dwconv\.", ".depthwise."),
    (r"^block\.(\d)\.conv\.", r"flow_heads.\1.convs."),
    (r"^unet\.", "refinement."),
    (r"^refinement\.down(\d)\.conv1\.", r"refinement.down\1.0."),
    (r"^refinement\.down(\d)\.conv2\.", r"refinement.down\1.1."),
)


def _info(name: str, summary: str, file: str, width: int) -> BackendInfo:
    return BackendInfo(
        name=name,
        summary=summary,
        backend="vsvfi.backends.ema_vfi.backend:EMAVFIBackend",
        build="vsvfi.backends.ema_vfi.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="Extracting Motion and Appearance via Inter-Frame Attention for Efficient Video Frame Interpolation",
        arxiv="2303.00440",
        code_license="Apache-2.0",
        weights_license="Apache-2.0",
        # The same network: trained at any timestep, or at 1/2 only. The one that suits any factor comes first.
        checkpoints=(
            Checkpoint(name="any-t", file=f"{file}_t.pkl", url=_HOME, license="Apache-2.0"),
            Checkpoint(name="midpoint", file=f"{file}.pkl", url=_HOME, license="Apache-2.0"),
        ),
        layouts=(
            Layout(
                has_all=("feature_bone.block4.0.attn.cor_embed.weight", "unet.conv.weight"),
                shapes=(("feature_bone.block1.conv.0.weight", (width, 3, 3, 3)),),
                rename=_RENAME,
                # Window masks that the reference caches for one size of frame.
                ignore=(r"attn_mask", r"\.HW$"),
            ),
        ),
        multiple=32,
        padding="center",
        qualities=("balanced", "best"),
        supports_flow_scale=True,
    )


INFOS = (
    _info(
        "ema-vfi",
        "EMA-VFI: attention between the frames gives motion and appearance; 65.7 million parameters",
        "ours",
        32,
    ),
    _info("ema-vfi-small", "EMA-VFI, small: 14.5 million parameters", "ours_small", 16),
)
