"""The embedded default: dense optical flow on native planes, without weights, a GPU or torch."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo

__all__ = ["INFOS"]

INFOS = (
    BackendInfo(
        name="flow",
        summary="classic optical flow; needs no weights and no GPU",
        backend="vsvfi.backends.flow.backend:FlowBackend",
        title="Fast Optical Flow using Dense Inverse Search",
        arxiv="1603.03590",
        commercial_use=True,
        tiling="internal",
        qualities=("fast", "balanced", "best"),
        supports_flow_scale=True,
        planes=True,
    ),
)
