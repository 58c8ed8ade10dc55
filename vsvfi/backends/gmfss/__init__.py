"""GMFSS Fortuna: GMFlow, softmax splatting and a GridNet, for animation; no paper. Union adds a frame by RIFE."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets import gmflow
from vsvfi.nets.layouts import nested

__all__ = ["INFOS"]

_URL = "https://github.com/98mxr/GMFSS_Fortuna"
_LICENSE = "MIT"

_RIFE = (r"block(\d)\.", r"blocks.\1.")
_NAMES = {"flow": "flownet", "metric": "metric", "features": "feat", "": "fusionnet", "rife": "rife"}
"""What a part is here, and what its file and its names are called."""
_HAS = {
    "flow": gmflow.INFOS[0].layouts[0].has_all,
    "metric": ("metric_in.weight", "metric_net3.1.weight", "metric_out.1.weight"),
    "features": ("block1.3.weight", "block3.3.weight"),
    "": ("residual_model_tail.conv_last.weight", "upsample_model_15.3.weight"),
    "rife": ("block0.convblock.7.beta", "block3.lastconv.0.weight"),
}
_PREFIXES = {"flow": "flow.", "metric": "metric.", "features": "features.", "": "fusion.", "rife": "rife."}


def _layouts(parts: tuple[str, ...], head: str) -> tuple[Layout, ...]:
    """Of each part in a file of its own, and of all in one; ``head`` is in this variant's fusion network alone."""
    has = {part: (*_HAS[part], *([head] if not part else [])) for part in parts}
    alone = tuple(
        Layout(
            has_all=has[part],
            has_none=("block4.lastconv.0.weight", "encode.0.weight", "encode.cnn0.weight") if part == "rife" else (),
            shapes=gmflow.INFOS[0].layouts[0].shapes if part == "flow" else (),
            rename=((f"^{_RIFE[0]}", _RIFE[1]),) if part == "rife" else (),
            part=part,
            prefix=_PREFIXES[part],
        )
        for part in parts
    )
    together = Layout(
        has_all=tuple(name for part in parts for name in nested(has[part], f"{_NAMES[part]}.")),
        rename=(
            *((rf"^{_NAMES[part]}\.", _PREFIXES[part]) for part in parts),
            (rf"^rife\.{_RIFE[0]}", rf"rife.{_RIFE[1]}"),
        ),
        complete=True,
    )
    return (*alone, together)


def _info(variant: str, summary: str, parts: tuple[str, ...], head: str) -> BackendInfo:
    return BackendInfo(
        name=f"gmfss-{variant}",
        summary=summary,
        build="vsvfi.backends.gmfss.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        backend="vsvfi.backends.gmfss.backend:GMFSSBackend",
        weights_license=_LICENSE,
        checkpoints=tuple(
            Checkpoint(
                name=f"{variant}-{part}" if part else variant,
                file=f"{_NAMES[part]}.pkl",
                url=_URL,
                license=_LICENSE,
                part=part,
            )
            for part in parts
        ),
        layouts=_layouts(parts, head),
        parts=parts,
        multiple=64,
        minimum=64,
        supports_flow_scale=True,
        tiling="discouraged",
    )


INFOS = (
    _info(
        "union",
        "for animation: globally matched flow, softmax splatting, and RIFE's frame beside",
        ("", "flow", "metric", "features", "rife"),
        "residual_model_head0.1.weight",
    ),
    _info(
        "base",
        "for animation: globally matched flow and softmax splatting",
        ("", "flow", "metric", "features"),
        "residual_model_head.1.weight",
    ),
)
