"""Zooming Slow-Mo: one-stage space-time video super-resolution (CVPR 2020, arXiv 2002.11616)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "GPL-3.0"


def _info(name: str, summary: str, window: tuple[int, ...], weights_of: str = "") -> BackendInfo:
    return BackendInfo(
        name=name,
        summary=summary,
        backend="vsvfi.backends.zooming_slow_mo.backend:ZoomingSlowMoBackend",
        build="vsvfi.backends.zooming_slow_mo.network:build",
        recipe="vsvfi.backends.zooming_slow_mo.training:recipe",
        title="Zooming Slow-Mo: Fast and Accurate One-Stage Space-Time Video Super-Resolution",
        arxiv="2002.11616",
        weights_license=_LICENSE,
        weights_of=weights_of,
        checkpoints=(
            Checkpoint(
                name="vimeo",
                file="xiang2020zooming.pth",
                url="https://github.com/Mukosame/Zooming-Slow-Mo-CVPR-2020/tree/master/experiments/pretrained_models",
                license=_LICENSE,
                sources=(
                    "https://github.com/Mukosame/Zooming-Slow-Mo-CVPR-2020/raw/master/experiments/pretrained_models/"
                    "xiang2020zooming.pth",
                ),
            ),
        ),
        layouts=(
            Layout(
                has_all=(
                    "conv_first.weight",
                    "pcd_align.L1_fea_conv_2.weight",
                    "ConvBLSTM.forward_net.cell_list.0.conv.weight",
                    "recon_trunk.0.conv1.weight",
                ),
                rename=(
                    (r"^ConvBLSTM\.forward_net\.cell_list\.0\.conv\.", "lstm.cell."),
                    (r"^ConvBLSTM\.forward_net\.pcd_h\.", "lstm.align_hidden."),
                    (r"^ConvBLSTM\.forward_net\.pcd_c\.", "lstm.align_cell."),
                    (r"^ConvBLSTM\.conv_1x1\.", "merge."),
                    (r"(^|\.)fea_L(\d)_conv(\d)\.", r"\1pyramid.l\2_conv\3."),
                    (r"(^|\.)pcd_align\.L(\d)_(\w+?)_1\.", r"\1align.first.l\2.\3."),
                    (r"(^|\.)pcd_align\.L(\d)_(\w+?)_2\.", r"\1align.second.l\2.\3."),
                    (r"\.fea_conv\.", ".merge."),
                    (r"\.dcnpack\.conv_offset_mask\.", ".deform.offset_and_mask."),
                    (r"\.dcnpack\.", ".deform."),
                    (r"^feature_extraction\.", "extraction."),
                    (r"^recon_trunk\.", "reconstruction."),
                    (r"^HRconv\.", "conv_hr."),
                ),
            ),
        ),
        window=window,
        timesteps="midpoint",
        spatial_scale=4,
        multiple=4,
        minimum=8,
    )


INFOS: tuple[BackendInfo, ...] = (
    _info("zooming-slow-mo", "frames four times as wide and high, and twice as many, in one network", (0, 1)),
    _info(
        "zooming-slow-mo-4",
        "zooming-slow-mo on windows of four frames, as it was trained: steadier, at over twice the cost",
        (-1, 0, 1, 2),
        weights_of="zooming-slow-mo",
    ),
)
