"""GIMM-VFI: Generalizable Implicit Motion Modeling for Video Frame Interpolation (NeurIPS 2024, arXiv 2407.08680)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets import flowformer, gimm, raft

__all__ = ["INFOS"]

_RENAME = (
    *((pattern, f"motion.{ours}") for pattern, ours in gimm.RENAME),
    (r"^(g_filter|alpha_v|alpha_fe)$", r"motion.\1"),
    (r"^amt_fproj\.", "matching_projection."),
    (r"^amt_last_cproj\.", "eighth_projection."),
    (r"^amt_second_last_cproj\.", "quarter_projection."),
    (r"^amt_update4_(low|high)\.", r"update_\1."),
    (r"^amt_comb_block\.", "blend."),
    (r"^amt_(init|final)_decoder\.", r"\1_decoder."),
)
_PREFIX = "flow_estimator."
_MAIN = ("amt_init_decoder.upsample.1.0.weight", "amt_update4_high.convc1.weight", "hyponet.params_dict.linear_wb0")


def _layouts(
    estimator: Layout, has: tuple[str, ...] = (), has_none: tuple[str, ...] = ()
) -> tuple[Layout, Layout, Layout]:
    """With the flow estimator in the file, without it, and the estimator alone."""
    inside = tuple(_PREFIX + name for name in estimator.has_all)
    rename, ignore = (*_RENAME, *estimator.rename), (*estimator.ignore, r"\.num_batches_tracked$")
    return (
        Layout(has_all=(*_MAIN, *has, *inside), has_none=has_none, rename=rename, ignore=ignore, complete=True),
        Layout(has_all=(*_MAIN, *has), has_none=(*has_none, *inside), rename=rename, ignore=ignore),
        Layout(
            has_all=estimator.has_all,
            shapes=estimator.shapes,
            rename=estimator.rename,
            ignore=estimator.ignore,
            part="flow",
            prefix=_PREFIX,
        ),
    )


def _info(name: str, flows: str, layouts: tuple[Layout, ...]) -> BackendInfo:
    stem = name.replace("-", "", 1).replace("-", "_")
    return BackendInfo(
        name=name,
        summary=f"implicit motion modelling on {flows} flows, synthesis in the manner of AMT",
        build="vsvfi.backends.gimm_vfi.network:build",
        recipe="vsvfi.backends.gimm_vfi.training:recipe",
        backend="vsvfi.backends.gimm_vfi.backend:GIMMVFIBackend",
        title="Generalizable Implicit Motion Modeling for Video Frame Interpolation",
        arxiv="2407.08680",
        weights_license=gimm.LICENSE,
        commercial_use=False,
        checkpoints=tuple(
            Checkpoint(
                name=checkpoint,
                file=file,
                url=gimm.HOME,
                license=gimm.LICENSE,
                sources=(f"{gimm.HOME}/resolve/main/{file}",),
            )
            for checkpoint, file in (("arb", f"{stem}_arb.pt"), ("arb-lpips", f"{stem}_arb_lpips.pt"))
        ),
        layouts=layouts,
        parts=("", "flow"),
        multiple=32,
        minimum=64,
        padding="center",
        supports_flow_scale=True,
        tiling="internal",
    )


INFOS = (
    _info("gimm-vfi-r", "RAFT", _layouts(raft.INFOS[0].layouts[0], has=("amt_fproj.weight",))),
    _info("gimm-vfi-f", "FlowFormer", _layouts(flowformer.INFOS[0].layouts[0], has_none=("amt_fproj.weight",))),
)
