"""The GridNet of GMFSS: three rows of features, at 1/2, 1/4 and 1/8 of the size, joined down and then up again."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vsvfi.nets.blocks import conv

__all__ = ["GridNet"]


def _block(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.PReLU(), conv(in_channels, out_channels, stride=stride), nn.PReLU(), conv(out_channels, out_channels)
    )


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.PReLU(),
        nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1),
        nn.PReLU(),
        conv(out_channels, out_channels),
    )


class _Residual(nn.Sequential):
    """A block with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__(*_block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        result = x
        for layer in self:
            result = layer(result)
        return result + x


class _Tail(nn.Module):
    """Doubles the size and draws the frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_before_upsample = nn.Sequential(conv(channels, channels), nn.PReLU())
        self.upsample = nn.Sequential(conv(channels, 4 * channels), nn.PixelShuffle(2))
        self.conv_last = conv(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv_last(self.upsample(self.conv_before_upsample(x)))
        return result


class GridNet(nn.Module):
    """Draws the frame from splatted frames and features; named after the grid's rows and columns.

    Args:
        widths: channels of the rows, fine to coarse.
        images: channels of all frames together.
        head: the published name of what reads them, which differs between the variants.
    """

    def __init__(self, widths: tuple[int, int, int], images: int, *, head: str) -> None:
        super().__init__()
        w0, w1, w2 = widths
        self.head = f"residual_model_{head}"
        self.add_module(self.head, _block(images, w0))
        self.residual_model_head1 = _block(2 * w0, w0)
        self.residual_model_head2 = _block(2 * w1, w1)
        self.residual_model_head3 = _block(2 * w2, w2)
        self.residual_model_01, self.residual_model_04, self.residual_model_05 = (_Residual(w0) for _ in range(3))
        self.residual_model_11, self.residual_model_14, self.residual_model_15 = (_Residual(w1) for _ in range(3))
        self.residual_model_21, self.residual_model_24, self.residual_model_25 = (_Residual(w2) for _ in range(3))
        self.downsample_model_10, self.downsample_model_11 = (_block(w0, w1, 2) for _ in range(2))
        self.downsample_model_20, self.downsample_model_21 = (_block(w1, w2, 2) for _ in range(2))
        self.upsample_model_04, self.upsample_model_05 = (_up(w1, w0) for _ in range(2))
        self.upsample_model_14, self.upsample_model_15 = (_up(w2, w1) for _ in range(2))
        self.residual_model_tail = _Tail(w0)

    def forward(self, images: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The frames ``(N, 3, 2 h, 2 w)``, not clamped.

        Args:
            images: ``(N, C, h, w)``.
            features: of both frames together, with ``2 * widths`` channels, at ``h``, ``h / 2`` and ``h / 4``.
        """
        x00 = self.get_submodule(self.head)(images) + self.residual_model_head1(features[0])
        x10 = self.downsample_model_10(x00) + self.residual_model_head2(features[1])
        x20 = self.downsample_model_20(x10) + self.residual_model_head3(features[2])
        x01 = self.residual_model_01(x00)
        x11 = self.residual_model_11(x10) + self.downsample_model_11(x01)
        x21 = self.residual_model_21(x20) + self.downsample_model_21(x11)
        x24 = self.residual_model_24(x21)
        x25 = self.residual_model_25(x24)
        x14 = self.upsample_model_14(x24) + self.residual_model_14(x11)
        x04 = self.upsample_model_04(x14) + self.residual_model_04(x01)
        x15 = self.upsample_model_15(x25) + self.residual_model_15(x14)
        x05 = self.upsample_model_05(x15) + self.residual_model_05(x04)
        frame: Tensor = self.residual_model_tail(x05)
        return frame
