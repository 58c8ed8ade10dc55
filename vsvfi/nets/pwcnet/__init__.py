"""PWC-Net (Sun et al., CVPR 2018, arXiv 1709.02371): optical flow by pyramid, warping and cost volume."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["HAS", "IGNORE", "INFOS", "RENAME"]

HAS = ("conv1a.0.weight", "conv6aa.0.weight", "conv2_4.0.weight", "dc_conv7.weight", "upfeat3.weight")
"""Tensors that tell the network in a checkpoint."""

RENAME = (
    (r"^conv([1-5])a\.", r"pyramid.\1.0."),
    (r"^conv([1-5])aa\.", r"pyramid.\1.1."),
    (r"^conv([1-5])b\.", r"pyramid.\1.2."),
    # Level 6 is named in another order: conv6aa is the layer with the stride.
    (r"^conv6aa\.", "pyramid.6.0."),
    (r"^conv6a\.", "pyramid.6.1."),
    (r"^conv6b\.", "pyramid.6.2."),
    (r"^conv([2-6])_([0-4])\.", r"levels.\1.dense.\2."),
    (r"^predict_flow([2-6])\.", r"levels.\1.predict."),
    (r"^deconv([3-6])\.", r"levels.\1.upsample_flow."),
    (r"^upfeat([3-6])\.", r"levels.\1.upsample_features."),
    *((rf"^dc_conv{index + 1}\.", f"context.{index}.") for index in range(7)),
)
"""From the published names to ours."""

IGNORE = (r"^deconv2\.",)
"""Saved, but used by nothing."""

INFOS = (
    EstimatorInfo(
        name="pwcnet",
        summary="PWC-Net: optical flow by feature pyramid, warping and cost volume",
        task="flow",
        build="vsvfi.nets.pwcnet.network:build",
        estimate="vsvfi.nets.pwcnet.network:estimate",
        multiple=64,
        title="PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume",
        arxiv="1709.02371",
        code_license="CC-BY-NC-SA-4.0",
        weights_license="CC BY-NC-SA 4.0 (NVIDIA)",
        commercial_use=False,
        checkpoints=(
            Checkpoint(
                name="pwcnet",
                file="pwc_net.pth.tar",
                url="https://github.com/NVlabs/PWC-Net",
                license="CC BY-NC-SA 4.0",
            ),
        ),
        layouts=(
            # BMBC's motion network has the same names and a wider cost volume
            Layout(has_all=HAS, shapes=(("conv6_0.0.weight", (128, 81, 3, 3)),), rename=RENAME, ignore=IGNORE),
        ),
    ),
)
