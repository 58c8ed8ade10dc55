"""IFRNet (CVPR 2022) in its three published sizes."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_HOME = "https://github.com/ltkong218/IFRNet"


def _info(name: str, summary: str, file: str, width: int, first_kernel: int, decoder_width: int) -> BackendInfo:
    def checkpoint(dataset: str) -> Checkpoint:
        return Checkpoint(name=dataset.lower(), file=f"{file}_{dataset}.pth", url=_HOME, license="MIT")

    return BackendInfo(
        name=name,
        summary=summary,
        backend="vsvfi.backends.ifrnet.backend:IFRNetBackend",
        build="vsvfi.backends.ifrnet.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="IFRNet: Intermediate Feature Refine Network for Efficient Frame Interpolation",
        arxiv="2205.14620",
        code_license="MIT",
        weights_license="MIT",
        # GoPro was trained at multiples of 1/8, Vimeo90K at 1/2 only: the one that suits any factor comes first.
        checkpoints=(checkpoint("GoPro"), checkpoint("Vimeo90K")),
        layouts=(
            Layout(
                has_all=("decoder4.convblock.1.conv2.0.weight",),
                shapes=(
                    ("encoder.pyramid1.0.0.weight", (width, 3, first_kernel, first_kernel)),
                    ("decoder1.convblock.2.weight", (decoder_width, 8, 4, 4)),
                ),
            ),
        ),
        multiple=16,
        supports_flow_scale=True,
    )


INFOS = (
    _info(
        "ifrnet",
        "IFRNet: flow and a feature of the new frame refined together; 5.0 million parameters",
        "IFRNet",
        32,
        3,
        96,
    ),
    _info("ifrnet-s", "IFRNet, small: 2.8 million parameters", "IFRNet_S", 24, 3, 72),
    _info("ifrnet-l", "IFRNet, large: 19.7 million parameters", "IFRNet_L", 64, 7, 192),
)
