"""FILM: Frame Interpolation for Large Motion (ECCV 2022, arXiv 2202.04901)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

# The port's files name the convolutions after their place (v1.0.1 on); files for ComfyUI call them "conv"; v1.0.0 put
# those without activation one level higher.
_COMFYUI = (r"\.conv\.(weight|bias)$", r".0.\1")
_FIRST = (r"(_convs\.4|^fuse\.convs\.\d\.0)\.(weight|bias)$", r"\1.0.\2")
_RENAME = (
    _COMFYUI,
    _FIRST,
    (r"^extract\.extract_sublevels\.convs\.", "features."),
    (r"^predict_flow\._predictor\._convs\.", "shared_predictor."),
    (r"^predict_flow\._predictors\.(\d)\._convs\.", r"predictors.\1."),
    (r"^fuse\.convs\.", "fusion."),
    (r"^fuse\.output_conv\.", "output."),
)
_PORT = "https://github.com/dajes/frame-interpolation-pytorch/releases"


def _checkpoint(name: str, file: str) -> Checkpoint:
    return Checkpoint(
        name=name, file=file, url=_PORT, license="Apache-2.0", sources=(f"{_PORT}/download/v1.0.2/{file}",)
    )


def _layout(convolution: str) -> Layout:
    """The layout of files that call the convolution of a layer so."""
    return Layout(
        has_all=(
            f"extract.extract_sublevels.convs.3.1.{convolution}.weight",
            f"predict_flow._predictors.2._convs.0.{convolution}.weight",
            f"fuse.convs.3.2.{convolution}.weight",
            "fuse.output_conv.weight",
        ),
        rename=_RENAME,
    )


INFOS = (
    BackendInfo(
        name="film",
        summary="features of all scales share weights, so that large motion is matched as small motion is",
        build="vsvfi.backends.film.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        backend="vsvfi.backends.film.backend:FILMBackend",
        title="FILM: Frame Interpolation for Large Motion",
        arxiv="2202.04901",
        weights_license="Apache-2.0",
        checkpoints=(
            _checkpoint("style", "film_net_fp32.pt"),
            _checkpoint("style-fp16", "film_net_fp16.pt"),
        ),
        layouts=(_layout("0"), _layout("conv")),
        multiple=64,
        minimum=64,
        padding="center",
    ),
)
