"""RAFT: Recurrent All-Pairs Field Transforms for Optical Flow (ECCV 2020, arXiv 2003.12039)."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["INFOS", "RENAME", "UNUSED"]

RENAME = tuple((rf"(^|\.)([fc]net)\.layer{number}\.", rf"\1\2.layers.{number - 1}.") for number in (1, 2, 3))
"""From the published names to ours, with or without a prefix."""

UNUSED = (r"(^|\.)cnet\.layer\d\.0\.norm3\.", r"\.num_batches_tracked$")
"""The shortcut's norm is in checkpoints under two names; the reference loads ``downsample.1`` last."""


def _checkpoint(name: str) -> Checkpoint:
    return Checkpoint(
        name=name,
        file=f"raft-{name}.pth",
        url="https://github.com/princeton-vl/RAFT",
        license="BSD-3-Clause",
        sources=(f"https://www.dropbox.com/s/npt24nvhoojdr0n/models.zip?dl=1#models/raft-{name}.pth",),
    )


INFOS = (
    EstimatorInfo(
        name="raft",
        summary="optical flow: all-pairs correlation, refined by a recurrent unit",
        task="flow",
        build="vsvfi.nets.raft.network:build",
        estimate="vsvfi.nets.raft.network:estimate",
        title="RAFT: Recurrent All-Pairs Field Transforms for Optical Flow",
        arxiv="2003.12039",
        weights_license="BSD-3-Clause",
        multiple=8,
        minimum=64,
        padding="center",
        checkpoints=tuple(_checkpoint(name) for name in ("things", "sintel", "kitti", "chairs")),
        layouts=(
            Layout(
                has_all=("fnet.layer1.0.conv1.weight", "cnet.norm1.running_mean", "update_block.gru.convz2.weight"),
                shapes=(("update_block.encoder.convc1.weight", (256, 324, 1, 1)),),
                rename=RENAME,
                ignore=UNUSED,
            ),
        ),
    ),
)
