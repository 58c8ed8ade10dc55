"""TOFlow: video enhancement with task-oriented flow (IJCV 2019, arXiv 1711.09078)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout
from vsvfi.nets.spynet import RENAME

__all__ = ["INFOS"]

INFOS: tuple[BackendInfo, ...] = (
    BackendInfo(
        name="toflow",
        summary="flow trained for interpolation itself, both frames warped halfway and merged by a small CNN",
        backend="vsvfi.backends.toflow.backend:TOFlowBackend",
        build="vsvfi.backends.toflow.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        title="Video Enhancement with Task-Oriented Flow",
        arxiv="1711.09078",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="interp",
                file="interp.pkl",
                url="https://github.com/Coldog2333/pytoflow",
                license="MIT",
            ),
        ),
        layouts=(
            Layout(
                has_all=("SpyNet.moduleBasic.0.moduleBasic.0.weight", "ResNet.conv_64_3_1x1.weight"),
                shapes=(("ResNet.conv_3x2_64_9x9.weight", (-1, 6, 9, 9)),),
                rename=(
                    ("^SpyNet", "spynet"),
                    RENAME,
                    (r"^ResNet\.conv_3x2_64_9x9", "merge.0"),
                    (r"^ResNet\.conv_64_64_1x1", "merge.2"),
                    (r"^ResNet\.conv_64_3_1x1", "merge.4"),
                ),
                # Layers of the denoising and super-resolution networks, in every checkpoint and unused here.
                ignore=(r"^ResNet\.conv_3x7_64_9x9\.", r"^ResNet\.conv_64_64_9x9\."),
            ),
        ),
        timesteps="midpoint",
        minimum=16,
    ),
)
