"""MEMC-Net's parts (Bao et al., TPAMI 2019, arXiv 1810.08768)."""

from __future__ import annotations

__all__ = ["IGNORE", "RENAME"]

RENAME = (
    (r"^initScaleNets_(filter|occlusion)\.", r"\1.trunk."),
    (r"^initScaleNets_(filter|occlusion)1\.", r"\1.heads.0."),
    (r"^initScaleNets_(filter|occlusion)2\.", r"\1.heads.1."),
    (r"^flownets\.", "flow."),
    (r"^ctxNet\.", "context."),
    (r"^rectifyNet\.(head|tail)\.0\.", r"rectification.\1."),
    (r"^rectifyNet\.body\.(\d+)\.body\.0\.", r"rectification.body.\1.conv1."),
    (r"^rectifyNet\.body\.(\d+)\.body\.2\.", r"rectification.body.\1.conv2."),
    (r"^rectifyNet\.", "rectification."),
)
"""From the published names of all variants to ours."""

IGNORE = (r"num_batches_tracked$",)
"""Counters of batches seen in training; the published files are too old to have them."""
