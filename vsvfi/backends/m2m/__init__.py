"""M2M: Many-to-many Splatting for Efficient Video Frame Interpolation (CVPR 2022, arXiv 2204.03513)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "Adobe Research License (non-commercial research)"
_LEVELS = ("One", "Two", "Thr")
_DECODERS = ("Fiv", "Fou", "Thr", "Two", "One")

INFOS = (
    BackendInfo(
        name="m2m",
        summary="four flows a pixel, splatted together: a further frame of a pair costs next to nothing",
        build="vsvfi.backends.m2m.network:build",
        recipe="vsvfi.backends.recipe:one_by_one",
        backend="vsvfi.backends.m2m.backend:M2MBackend",
        title="Many-to-many Splatting for Efficient Video Frame Interpolation",
        arxiv="2204.03513",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="vimeo90k", file="model.pkl", url="https://github.com/feinanshan/M2M_VFI", license=_LICENSE
            ),
        ),
        layouts=(
            Layout(
                has_all=(
                    "paramAlpha",
                    "netFlow.netOne.netMain.netMain.10.weight",
                    "MRN.motion_encdec.conv_C.1.weight",
                    "MRN.img_pyramid.conv4.conv2.0.weight",
                ),
                rename=(
                    (r"^paramAlpha$", "alpha"),
                    *(
                        (rf"^netFlow\.netExtractor\.net{name}\.netMain\.", f"flow.extractor.{level}.")
                        for level, name in enumerate(_LEVELS)
                    ),
                    *(
                        (rf"^netFlow\.net{name}\.netMain\.netMain\.", f"flow.decoders.{level}.")
                        for level, name in enumerate(_DECODERS)
                    ),
                    *((rf"^MRN\.img_pyramid\.conv{n}\.", f"refinement.pyramid.{n - 1}.") for n in (1, 2, 3, 4)),
                    (r"^MRN\.motion_encdec\.(down|up)(\d)\.", r"refinement.\1.\2."),
                    (r"(pyramid|down)\.(\d)\.conv1\.", r"\1.\2.0."),
                    (r"(pyramid|down)\.(\d)\.conv2\.", r"\1.\2.1."),
                    (r"^MRN\.motion_encdec\.conv_C\.1\.", "refinement.attention.channels."),
                    (r"^MRN\.motion_encdec\.conv_H\.1\.", "refinement.attention.rows."),
                    (r"^MRN\.motion_encdec\.conv_W\.1\.", "refinement.attention.columns."),
                    (r"^MRN\.motion_encdec\.conv_m\.", "refinement.reliability."),
                    (r"^MRN\.motion_encdec\.conv\.", "refinement.residual."),
                ),
                # Slopes for negative costs, of which there are none.
                ignore=(r"\.netCostacti\.",),
            ),
        ),
        multiple=64,
        minimum=64,
        supports_flow_scale=True,
        tiling="discouraged",
    ),
)
