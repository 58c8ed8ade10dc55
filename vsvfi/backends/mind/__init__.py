"""MIND: learning image matching by simply watching video (ECCV 2016, arXiv 1603.06041)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Layout

__all__ = ["INFOS"]

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="mind",
        summary="a plain encoder-decoder; no weights were published: train it with vsvfi train mind",
        backend="vsvfi.backends.mind.backend:MINDBackend",
        build="vsvfi.backends.mind.network:build",
        title="Learning Image Matching by Simply Watching Video",
        arxiv="1603.06041",
        weights_license="none published",
        layouts=(
            Layout(
                has_all=("enc1.conv3.weight", "enc5.conv3.weight", "dec5.deconv.weight", "dec1.conv2.weight"),
                shapes=(
                    ("enc1.conv1.weight", (-1, 6, 3, 3)),
                    ("out.weight", (3, -1, 1, 1)),
                ),
            ),
        ),
        timesteps="midpoint",
        recipe="vsvfi.backends.recipe:recipe",
        multiple=32,
    ),
)
