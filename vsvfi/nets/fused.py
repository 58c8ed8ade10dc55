"""Networks made ready to run, once: weights in the working precision, channels last, and passes joined into one.

What is made here gives what the network gives, up to rounding, and can neither be trained nor saved.
"""

from __future__ import annotations

import copy
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.ops import bias_activation, bias_activation_into

__all__ = ["ConvActivation", "Fusible", "fused", "in_dtype"]


@runtime_checkable
class Fusible(Protocol):
    """A module that knows a faster form of itself."""

    def fused(self, dtype: torch.dtype) -> nn.Module:
        """The same function with weights in ``dtype``."""


class ConvActivation(nn.Module):
    """A convolution in ``dtype``; then bias, an optional residual and a rectifier, in one pass.

    Args:
        conv: the convolution.
        slope: of the rectifier below zero, one number or one a channel.
        dtype: of the weights and of what comes out.
    """

    weight: Tensor
    bias: Tensor
    slope: Tensor

    def __init__(self, conv: nn.Conv2d, slope: float | Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        weight = conv.weight.detach()
        bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach()
        slopes = bias.new_ones(len(weight), dtype=torch.float32) * slope
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.float().clone())
        self.register_buffer("slope", slopes.detach())
        self.stride = cast(tuple[int, int], conv.stride)
        self.padding = cast(tuple[int, int], conv.padding)
        self.dilation = cast(tuple[int, int], conv.dilation)
        self.groups = conv.groups

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """``(N, C, H, W)`` of any type to ``dtype``."""
        return bias_activation(self._products(x), self.bias, self.slope, residual)

    def into(self, x: Tensor, output: Tensor) -> None:
        """Write the result into ``output``, channels of a tensor in channels_last."""
        bias_activation_into(self._products(x), self.bias, self.slope, output)

    def _products(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)


def _slope(layer: nn.Module) -> float | Tensor | None:
    """The slope of a rectifier below zero; None for other layers."""
    if isinstance(layer, nn.PReLU):
        return layer.weight
    if isinstance(layer, nn.LeakyReLU):
        return layer.negative_slope
    return 0.0 if isinstance(layer, nn.ReLU) else None


def in_dtype(layer: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype) -> nn.Module:
    """A convolution with weights in ``dtype``, which takes inputs of any type. Changes the layer."""
    weight = layer.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.detach().to(dtype), requires_grad=False)
    layer.register_forward_pre_hook(lambda _, inputs: tuple(x.to(dtype) for x in inputs))
    return layer


def fused(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a network that is made of convolutions, ready to run in ``dtype`` without autocast."""
    network = copy.deepcopy(network)
    _fuse(network, dtype)
    return network


def _fuse(module: nn.Module, dtype: torch.dtype) -> None:
    children = list(module.named_children())
    joined = ""
    for index, (name, child) in enumerate(children):
        following = children[index + 1][1] if index + 1 < len(children) else nn.Identity()
        slope = _slope(following) if isinstance(module, nn.Sequential) and type(child) is nn.Conv2d else None
        if name == joined:
            setattr(module, name, nn.Identity())
        elif isinstance(child, Fusible):
            setattr(module, name, child.fused(dtype))
        elif slope is not None:
            setattr(module, name, ConvActivation(cast(nn.Conv2d, child), slope, dtype))
            joined = children[index + 1][0]
        elif isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
            in_dtype(child, dtype)
        else:
            _fuse(child, dtype)
