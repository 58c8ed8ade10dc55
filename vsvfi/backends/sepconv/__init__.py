"""SepConv: video frame interpolation via adaptive separable convolution (ICCV 2017, arXiv 1708.01692)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "academic purposes only; contact the authors for commercial use"

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="sepconv",
        summary="two spatially varying separable 51-tap kernels a pixel",
        backend="vsvfi.backends.sepconv.backend:SepConvBackend",
        build="vsvfi.backends.sepconv.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="Video Frame Interpolation via Adaptive Separable Convolution",
        arxiv="1708.01692",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="l1",
                file="network-l1.pytorch",
                url="http://content.sniklaus.com/sepconv/network-l1.pytorch",
                license=_LICENSE,
            ),
            Checkpoint(
                name="lf",
                file="network-lf.pytorch",
                url="http://content.sniklaus.com/sepconv/network-lf.pytorch",
                license=_LICENSE,
            ),
        ),
        layouts=(
            Layout(
                has_all=("moduleConv1.0.weight", "moduleDeconv5.0.weight", "moduleHorizontal2.7.weight"),
                shapes=(
                    ("moduleConv1.0.weight", (-1, 6, 3, 3)),
                    ("moduleVertical1.7.weight", (-1, -1, 3, 3)),
                ),
                rename=(
                    ("^moduleConv", "conv"),
                    ("^moduleDeconv", "deconv"),
                    ("^moduleUpsample", "upsample"),
                    ("^moduleVertical", "vertical"),
                    ("^moduleHorizontal", "horizontal"),
                ),
            ),
        ),
        timesteps="midpoint",
        # The network needs multiples of 32; its authors pad to 128, and the align_corners upsampling sees the size.
        multiple=128,
    ),
)
