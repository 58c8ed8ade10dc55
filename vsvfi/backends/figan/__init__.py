"""FIGAN: frame interpolation with multi-scale deep loss functions and adversarial networks (arXiv 1711.06045)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Layout

__all__ = ["INFOS"]

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="figan",
        summary="a very small flow network, coarse to fine; no weights were published: train it with vsvfi train figan",
        backend="vsvfi.backends.figan.backend:FIGANBackend",
        build="vsvfi.backends.figan.network:build",
        title="Frame Interpolation with Multi-Scale Deep Loss Functions and Generative Adversarial Networks",
        arxiv="1711.06045",
        weights_license="none published",
        layouts=(
            Layout(
                has_all=("coarse.0.weight", "residuals.0.10.weight", "refinement.0.weight"),
                shapes=(
                    ("coarse.0.weight", (-1, 6, 3, 3)),
                    ("refinement.10.weight", (3, -1, 3, 3)),
                ),
            ),
        ),
        timesteps="midpoint",
        recipe="vsvfi.backends.figan.training:recipe",
        multiple=4,
    ),
)
