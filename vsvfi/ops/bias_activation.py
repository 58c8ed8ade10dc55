"""What follows a convolution, in one pass instead of three."""

from __future__ import annotations

import torch
from torch import Tensor

from vsvfi.ops._launch import Extent, has_kernels, launch
from vsvfi.ops._operator import LIBRARY, fake, gradient

__all__ = ["bias_activation", "bias_activation_into"]


def bias_activation(x: Tensor, bias: Tensor, slope: Tensor, residual: Tensor | None = None) -> Tensor:
    """``x + bias + residual``, times ``slope`` where that is negative. Has no derivative.

    Args:
        x: ``(N, C, H, W)``, best in channels_last.
        bias: ``(C,)``, fp32.
        slope: ``(C,)``, fp32: 0 for ReLU, 1 for nothing.
        residual: as ``x``, or None.

    Returns:
        as ``x``, in channels_last. Sums are fp32.
    """
    if not has_kernels(x):
        return reference(x, bias, slope, residual)
    result: Tensor = _forward(x, bias, slope, residual)
    return result


def reference(x: Tensor, bias: Tensor, slope: Tensor, residual: Tensor | None) -> Tensor:
    """`bias_activation` in plain torch."""
    total = x.float() + bias.view(1, -1, 1, 1)
    if residual is not None:
        total = total + residual.float()
    return torch.where(total < 0, total * slope.view(1, -1, 1, 1), total).to(x.dtype)


def bias_activation_into(x: Tensor, bias: Tensor, slope: Tensor, output: Tensor) -> None:
    """`bias_activation` written into ``output``: channels of a tensor in channels_last, of ``x``'s type and shape."""
    if not has_kernels(x) or x.device.type == "cpu":
        output.copy_(bias_activation(x, bias, slope))
        return
    torch.ops.vsvfi.bias_activation_into(x, bias, slope, output)


def _launch(x: Tensor, bias: Tensor, slope: Tensor, residual: Tensor | None, output: Tensor) -> None:
    """Tensors are ``(N, H, W, C)``; the output may lie among more channels."""
    batch, height, width, channels = x.shape
    apart = output.stride(2)
    assert output.stride() == (height * width * apart, width * apart, apart, 1)
    # 16 bytes a thread, where channels allow.
    pack = 16 // x.itemsize
    counts = (channels, apart, output.storage_offset())
    pack = pack if pack in (4, 8) and all(n % pack == 0 for n in counts) else 1
    length = width * channels
    extent = Extent(batch, height, length // pack)
    words = (x, bias, slope, residual, output, channels, length, apart)
    launch("bias_activation", extent, *words, dtype=x.dtype, variant=pack, strided=True)


@gradient("bias_activation")
def _forward(x: Tensor, bias: Tensor, slope: Tensor, residual: Tensor | None) -> Tensor:
    storage = torch.float32 if x.device.type == "cpu" else x.dtype
    rows = x.to(storage).permute(0, 2, 3, 1).contiguous()
    more = None if residual is None else residual.to(storage).permute(0, 2, 3, 1).contiguous()
    output = torch.empty_like(rows)
    _launch(rows, bias, slope, more, output)
    return output.permute(0, 3, 1, 2).to(x.dtype)


@fake(_forward)
def _(x: Tensor, bias: Tensor, slope: Tensor, residual: Tensor | None) -> Tensor:
    return torch.empty_like(x, memory_format=torch.channels_last)


def _into(x: Tensor, bias: Tensor, slope: Tensor, output: Tensor) -> None:
    _launch(x.permute(0, 2, 3, 1).contiguous(), bias, slope, None, output.permute(0, 2, 3, 1))


LIBRARY.define("bias_activation_into(Tensor x, Tensor bias, Tensor slope, Tensor(a!) output) -> ()")
LIBRARY.impl("bias_activation_into", _into, "CompositeExplicitAutograd")
torch.library.register_fake("vsvfi::bias_activation_into", lambda *_: None)
