"""BMBC: bilateral motion estimation with bilateral cost volume (ECCV 2020, arXiv 2007.12622)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets.layouts import nested, nested_rename, nested_shapes
from vsvfi.nets.pwcnet import IGNORE, RENAME

__all__ = ["INFOS"]

# BMNet's layers have PWC-Net's names; the width of its cost volume tells them apart.
_HAS = ("conv1a.0.weight", "upfeat6.weight", "dc_conv7.weight")
_SHAPES = (("conv6_0.0.weight", (-1, 169, 3, 3)),)

_FILTER_HAS = ("SFE_First.weight", "GRL.3.Layer.5.dense_layer.0.weight", "Conv_Output.weight")
_FILTER_SHAPES = (("Conv_Output.weight", (150, 32, 3, 3)),)
_FILTER_RENAME = (
    (r"^SFE_First\.", "shallow1."),
    (r"^SFE_Second\.", "shallow2."),
    (r"^GRL\.(\d)\.Layer\.(\d)\.dense_layer\.0\.", r"blocks.\1.layers.\2."),
    (r"^GRL\.(\d)\.local_feature_fusion\.", r"blocks.\1.fusion."),
    (r"^Global_feature_fusion\.", "fusion."),
    (r"^Conv_Output\.", "head."),
)

_CONTEXT_SHAPES = (("weight", (-1, 3, 7, 7)),)


INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="bmbc",
        summary="bilateral motion through the new frame, six warped candidates, and learnt filters that merge them",
        backend="vsvfi.backends.bmbc.backend:BMBCBackend",
        build="vsvfi.backends.bmbc.network:build",
        recipe="vsvfi.backends.recipe:one_by_one",
        title="BMBC: Bilateral Motion Estimation with Bilateral Cost Volume for Video Interpolation",
        arxiv="2007.12622",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="BMNet_weights",
                file="BMNet_weights.pth",
                url="https://github.com/JunHeum/BMBC",
                license="MIT",
            ),
            Checkpoint(
                name="DFNet_weights",
                file="DFNet_weights.pth",
                part="filter",
                url="https://github.com/JunHeum/BMBC",
                license="MIT",
            ),
            Checkpoint(
                name="context_layer",
                file="context_layer.pth",
                part="context",
                url="https://github.com/JunHeum/BMBC",
                license="MIT",
            ),
        ),
        layouts=(
            Layout(
                has_all=(*nested(_HAS, "BMNet."), *nested(_FILTER_HAS, "DFNet."), "context_layer.weight"),
                shapes=(*nested_shapes(_SHAPES, "BMNet."), *nested_shapes(_FILTER_SHAPES, "DFNet.")),
                rename=(
                    *nested_rename(RENAME, r"BMNet\.", "bmnet."),
                    *nested_rename(_FILTER_RENAME, r"DFNet\.", "dfnet."),
                    (r"^context_layer\.", "context."),
                ),
                ignore=nested(IGNORE, r"BMNet\."),
                complete=True,
            ),
            Layout(has_all=_HAS, shapes=_SHAPES, rename=RENAME, ignore=IGNORE, prefix="bmnet."),
            Layout(has_all=_FILTER_HAS, shapes=_FILTER_SHAPES, rename=_FILTER_RENAME, part="filter", prefix="dfnet."),
            Layout(has_all=("weight",), shapes=_CONTEXT_SHAPES, part="context", prefix="context."),
        ),
        parts=("", "filter", "context"),
        minimum=32,
    ),
)
