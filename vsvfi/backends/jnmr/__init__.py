"""JNMR: joint non-linear motion regression over four frames (IEEE TIP 2023, arXiv 2206.04231)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]


_WINDOW = (-1, 0, 1, 2)

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="jnmr",
        summary="non-linear motion of four frames; ships with a small network trained here, or train the full one",
        backend="vsvfi.backends.jnmr.backend:JNMRBackend",
        build="vsvfi.backends.jnmr.network:build",
        title="JNMR: Joint Non-linear Motion Regression for Video Frame Interpolation",
        arxiv="2206.04231",
        weights_license="MIT",
        layouts=(
            Layout(
                has_all=("trunk.conv1.0.weight", "heads.weight.0.final.weight", "synthesis.lateral.0.0.f.1.weight"),
                shapes=(("synthesis.lateral_init.f.1.weight", (-1, 15, 3, 3)),),
            ),
        ),
        window=_WINDOW,
        recipe="vsvfi.backends.jnmr.training:recipe",
        multiple=32,
        minimum=32,
        bundled="jnmr.safetensors",
    ),
    BackendInfo(
        name="jnmr-baseline",
        summary="what JNMR's authors published: AdaCoF motions of four frames and a GridNet",
        backend="vsvfi.backends.jnmr.backend:BaselineBackend",
        build="vsvfi.backends.jnmr.baseline:build",
        title="JNMR: Joint Non-linear Motion Regression for Video Frame Interpolation",
        arxiv="2206.04231",
        code_license="MIT",
        weights_license="none stated",
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="best",
                file="best.pth",
                url="https://github.com/ruhig6/JNMR/tree/main/Baseline/checkpoints",
                license="none stated",
                sources=("https://github.com/ruhig6/JNMR/raw/main/Baseline/checkpoints/best.pth",),
            ),
        ),
        layouts=(
            Layout(
                has_all=("get_kernel.moduleConv1.0.weight", "context_synthesis.lateral_init.f.1.weight"),
                shapes=(
                    ("get_kernel.moduleWeight0.7.weight", (121, 21, 3, 3)),
                    ("get_kernel.moduleWeight4.7.weight", (121, 20, 3, 3)),
                    ("get_kernel.moduleBlend.7.weight", (1, 48, 3, 3)),
                ),
                ignore=(r"^get_kernel\.Downsample\.",),
                rename=(
                    (r"^get_kernel\.module(Occlusion|Blend)\.", r"get_kernel.module\g<1>0."),
                    (r"^get_kernel\.module(Weight|Alpha|Beta|Occlusion|Blend)(\d)\.7\.", r"heads.\1.\2.final."),
                    (r"^get_kernel\.module(Weight|Alpha|Beta|Occlusion|Blend)(\d)\.", r"heads.\1.\2.features."),
                    # The authors number the frames 0, 1, 3, 4; the new one is 2.
                    (r"^(heads\.\w+)\.3\.", r"\1.2."),
                    (r"^(heads\.\w+)\.4\.", r"\1.3."),
                    (r"^heads\.Weight", "heads.weight"),
                    (r"^heads\.Alpha", "heads.alpha"),
                    (r"^heads\.Beta", "heads.beta"),
                    (r"^heads\.Occlusion", "heads.occlusion"),
                    (r"^heads\.Blend", "heads.blend"),
                    (r"^get_kernel\.moduleConv", "trunk.conv"),
                    (r"^get_kernel\.moduleDeconv", "trunk.deconv"),
                    (r"^get_kernel\.moduleUpsample", "trunk.upsample"),
                    (r"^context_synthesis\.(lateral|down|up)_(\d)_(\d)", r"synthesis.\1.\2.\3"),
                    (r"^context_synthesis\.", "synthesis."),
                ),
            ),
        ),
        window=_WINDOW,
        recipe="vsvfi.backends.jnmr.training:baseline_recipe",
        timesteps="midpoint",
        multiple=32,
        minimum=32,
    ),
)
