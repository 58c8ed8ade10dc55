"""Differentiable operators that the networks warp, splat and match with.

Tensors are ``(N, C, H, W)``; a flow is in pixels, channel 0 = x (to the right), channel 1 = y (down). Coordinates and
sums are float32 whatever the images' type (float64 with float64 images).

Tensors of one call may differ in their floating-point types: the result has that of the first. Integer tensors are
refused. Without samples, channels or pixels the result has none, unless a docstring says that this is an error. What a
flow that leaves the image, a NaN or an infinity gives is stated where it matters; nothing outside a tensor is read.
"""

from __future__ import annotations

from vsvfi.ops.adacof import adacof
from vsvfi.ops.adaptive_warp import adaptive_warp
from vsvfi.ops.all_pairs_correlation import all_pairs_correlation
from vsvfi.ops.backward_warp import backward_warp
from vsvfi.ops.bias_activation import bias_activation, bias_activation_into
from vsvfi.ops.bilateral_cost_volume import bilateral_cost_volume
from vsvfi.ops.channel_norm import channel_norm
from vsvfi.ops.correlation import correlation
from vsvfi.ops.correlation_lookup import correlation_lookup
from vsvfi.ops.deform_conv2d import deform_conv2d
from vsvfi.ops.flow_projection import Projection, depth_flow_projection, flow_projection
from vsvfi.ops.forward_splat import forward_splat
from vsvfi.ops.pyramid import LevelEstimate, pyramid_blend, pyramid_input
from vsvfi.ops.refinement import refinement_blend, refinement_input
from vsvfi.ops.separable_conv import separable_conv
from vsvfi.ops.voxel_sample import voxel_sample

__all__ = [
    "LevelEstimate",
    "Projection",
    "adacof",
    "adaptive_warp",
    "all_pairs_correlation",
    "backward_warp",
    "bias_activation",
    "bias_activation_into",
    "bilateral_cost_volume",
    "channel_norm",
    "correlation",
    "correlation_lookup",
    "deform_conv2d",
    "depth_flow_projection",
    "flow_projection",
    "forward_splat",
    "pyramid_blend",
    "pyramid_input",
    "refinement_blend",
    "refinement_input",
    "separable_conv",
    "voxel_sample",
]
