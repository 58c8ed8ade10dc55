"""The network of EMA-VFI (Zhang et al., CVPR 2023).

A backbone of convolutions and window attention between the two frames gives appearance features and motion
features (section 3.2). The latter are linear in time (section 3.3), so that only the two flow heads and the
refinement depend on the timestep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.models.info import Shapes
from vsvfi.nets.blocks import conv_prelu
from vsvfi.nets.geometry import resize, resize_to
from vsvfi.ops import backward_warp

__all__ = ["EMAVFI", "FLOW_HEADS", "EMAVFIState", "Features", "build", "create", "example"]

FLOW_HEADS = (r"^flow_heads\.\d\.convs\.2\.0\.", r"^refinement\.conv\.")

_WINDOW = 7
_SHIFT = 3
_HEAD_CHANNELS = 32
_MASKED = -100.0


@dataclass(frozen=True, slots=True)
class Features:
    """What the backbone sees in ``N`` pairs of frames; batches hold all first frames, then all second ones.

    ``appearance`` has five levels ``(2N, C, H / 2**level, W / 2**level)``, ``motion`` the two of levels 3 and 4.
    """

    appearance: tuple[Tensor, ...]
    motion: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class EMAVFIState:
    """Two frames ``(N, 3, H, W)`` and their features.

    With a ``scale`` other than 1, flow is estimated on ``small`` frames, resized by it, and their features.
    """

    frames: tuple[Tensor, Tensor]
    features: Features
    scale: float
    small_frames: tuple[Tensor, Tensor]
    small_features: Features


def _windows(x: Tensor) -> Tensor:
    """``(N, H, W, C)`` cut into windows ``(N * H/7 * W/7, 49, C)``."""
    n, h, w, c = x.shape
    x = x.view(n, h // _WINDOW, _WINDOW, w // _WINDOW, _WINDOW, c)
    return x.transpose(2, 3).reshape(-1, _WINDOW * _WINDOW, c)


def _from_windows(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `_windows`."""
    x = x.view(-1, height // _WINDOW, width // _WINDOW, _WINDOW, _WINDOW, x.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, x.shape[-1])


def _swap_frames(x: Tensor) -> Tensor:
    """Exchange the halves of a batch: the first frames and the second ones."""
    return x.roll(len(x) // 2, 0)


class _Grid:
    """How a plane of tokens is padded to whole windows, and which tokens of a window may see each other."""

    def __init__(self, height: int, width: int) -> None:
        pad_h, pad_w = -height % _WINDOW, -width % _WINDOW
        self.height, self.width = height + pad_h, width + pad_w
        self.top, self.left = pad_h // 2, pad_w // 2
        self.rows = slice(self.top, self.top + height)
        self.columns = slice(self.left, self.left + width)
        self.padded = bool(pad_h or pad_w)

    def pad(self, x: Tensor) -> Tensor:
        """``(N, H, W, C)`` with zeros around it."""
        bottom, right = self.height - self.rows.stop, self.width - self.columns.stop
        return F.pad(x, (0, 0, self.left, right, self.top, bottom))

    def crop(self, x: Tensor) -> Tensor:
        """The inverse of `pad`."""
        return x[:, self.rows, self.columns]

    def mask(self, shifted: bool, device: torch.device) -> Tensor | None:
        """What is added to the attention's logits, ``(windows, 1, 49, 49)``."""
        apart: Tensor | None = None
        if self.padded:
            # Not rolled in shifted blocks, unlike the tokens: so the checkpoints were trained.
            apart = self._apart((self.rows.start, self.rows.stop), (self.columns.start, self.columns.stop), device)
        if shifted:
            edges = [(size - _WINDOW, size - _SHIFT) for size in (self.height, self.width)]
            wrapped = self._apart(edges[0], edges[1], device)
            apart = wrapped if apart is None else apart | wrapped
        return None if apart is None else _MASKED * apart.unsqueeze(1)

    def _apart(self, rows: tuple[int, int], columns: tuple[int, int], device: torch.device) -> Tensor:
        """Which tokens of a window lie in different ones of the 3 x 3 regions that two edges an axis make."""
        row, column = (
            torch.bucketize(torch.arange(size, device=device), torch.tensor(edges, device=device), right=True)
            for size, edges in ((self.height, rows), (self.width, columns))
        )
        region = _windows((3 * row[:, None] + column).view(1, self.height, self.width, 1)).squeeze(-1)
        return region.unsqueeze(1) != region.unsqueeze(2)


class InterFrameAttention(nn.Module):
    """Attention from a window to the same window of the other frame (section 3.2, equations 1 to 4).

    The attended values are appearance; the attended coordinates, less one's own, are motion.
    """

    def __init__(self, channels: int, motion_channels: int) -> None:
        super().__init__()
        self.heads = channels // _HEAD_CHANNELS
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.cor_embed = nn.Linear(2, motion_channels)
        self.proj = nn.Linear(channels, channels)
        self.motion_proj = nn.Linear(motion_channels, motion_channels)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, other: Tensor, coordinates: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Appearance ``(B, 49, C)`` and motion ``(B, 49, M)`` of windows ``x`` that look at windows ``other``.

        ``coordinates`` ``(B, 49, 2)`` are those of the tokens, ``mask`` is `_Grid.mask`, one for all items.
        """
        query = self._split(self.q(x))
        key, value = (self._split(part) for part in self.kv(other).chunk(2, -1))
        logits = query @ key.transpose(-1, -2) * _HEAD_CHANNELS**-0.5
        if mask is not None:
            logits = (logits.view(-1, *mask.shape[:1], *logits.shape[1:]) + mask).flatten(0, 1)
        attention = logits.float().softmax(-1)
        appearance = self.proj((attention.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        # A difference of nearby coordinates: all of it in fp32.
        with torch.autocast(x.device.type, enabled=False):
            embedded = self._split(self.cor_embed(coordinates))
            motion = self.motion_proj((attention @ embedded - embedded).transpose(1, 2).flatten(2))
        return appearance, motion


class MLP(nn.Module):
    """Two layers with a depthwise convolution between them that encodes a token's position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 4 * channels
        self.fc1 = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, C)`` to the same shape."""
        hidden = self.depthwise(self.fc1(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.fc2(F.gelu(hidden))  # type: ignore[no-any-return]


class MotionFormerBlock(nn.Module):
    """Window attention between two frames, in windows that every other block shifts by half their size."""

    def __init__(self, channels: int, motion_channels: int, *, shifted: bool) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = InterFrameAttention(channels, motion_channels)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MLP(channels)

    def forward(self, x: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``(2N, H, W, C)`` and their coordinates ``(2N, H, W, 2)`` to new tokens and motion."""
        grid = _Grid(x.shape[1], x.shape[2])
        shift = _SHIFT if self.shifted else 0

        def cut(plane: Tensor) -> Tensor:
            return _windows(grid.pad(plane).roll((-shift, -shift), (1, 2)))

        def join(windows: Tensor) -> Tensor:
            return grid.crop(_from_windows(windows, grid.height, grid.width).roll((shift, shift), (1, 2)))

        # Normalised after the padding: the mask keeps the padded tokens' bias away from the others.
        tokens = self.norm1(cut(x))
        appearance, motion = self.attn(
            tokens, _swap_frames(tokens), cut(coordinates), grid.mask(self.shifted, x.device)
        )
        # The residual is added to the normalised tokens: so the checkpoints were trained.
        y = join(tokens + appearance)
        return y + self.mlp(self.norm2(y)), join(motion)


class MotionFormer(nn.ModuleList):
    """The attention blocks of one stage."""

    def __init__(self, channels: int, motion_channels: int, depth: int) -> None:
        super().__init__(MotionFormerBlock(channels, motion_channels, shifted=index % 2 == 1) for index in range(depth))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``(2N, H, W, C)`` to new tokens and the motion of all blocks ``(2N, depth * M, H, W)``."""
        count, height, width, _ = x.shape
        rows, columns = (torch.linspace(-1, 1, size, device=x.device) for size in (height, width))
        coordinates = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).expand(count, -1, -1, -1)
        motions = []
        for block in self:
            x, motion = block(x, coordinates)
            motions.append(motion)
        return x, torch.cat(motions, -1).permute(0, 3, 1, 2)


class CrossScaleEmbedding(nn.Module):
    """Tokens at 1/8 from the three convolutional stages, seen with several strides and dilations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # (channels, stride, dilation): stage 3, then stage 2, then stage 1.
        branches = [(4 * width, 2, 1), *((2 * width, 4, d) for d in (1, 2)), *((width, 8, d) for d in (1, 2, 3, 4))]
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, width, 3, stride, dilation, dilation) for channels, stride, dilation in branches
        )
        self.proj = nn.Conv2d(7 * width, 8 * width, 1)
        self.norm = nn.LayerNorm(8 * width)

    def forward(self, stage1: Tensor, stage2: Tensor, stage3: Tensor) -> Tensor:
        """Tokens ``(2N, H/8, W/8, 8 * width)``."""
        sources = (stage3, stage2, stage2, stage1, stage1, stage1, stage1)
        seen = [layer(source) for layer, source in zip(self.layers, sources, strict=True)]
        return self.norm(self.proj(torch.cat(seen, 1)).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class PatchEmbedding(nn.Module):
    """Tokens at half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        self.norm = nn.LayerNorm(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(2N, C, H, W)`` to tokens ``(2N, H/2, W/2, 2C)``."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


def _two_convs(channels_in: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*conv_prelu(channels_in, channels), *conv_prelu(channels, channels))


class Backbone(nn.Module):
    """Three stages of convolutions, which see one frame each, and two of attention between the frames."""

    def __init__(self, *, width: int, depths: tuple[int, int], motion_channels: tuple[int, int]) -> None:
        super().__init__()
        self.stage1 = _two_convs(3, width)
        self.down2 = conv_prelu(width, 2 * width, 3, 2)
        self.stage2 = _two_convs(2 * width, 2 * width)
        self.down3 = conv_prelu(2 * width, 4 * width, 3, 2)
        self.stage3 = _two_convs(4 * width, 4 * width)
        self.embed4 = CrossScaleEmbedding(width)
        self.stage4 = MotionFormer(8 * width, motion_channels[0], depths[0])
        self.norm4 = nn.LayerNorm(8 * width, eps=1e-6)
        self.embed5 = PatchEmbedding(8 * width)
        self.stage5 = MotionFormer(16 * width, motion_channels[1], depths[1])
        self.norm5 = nn.LayerNorm(16 * width, eps=1e-6)

    def forward(self, frames: Tensor) -> Features:
        """The features of pairs of frames ``(2N, 3, H, W)``: all first ones, then all second ones."""
        stage1 = self.stage1(frames)
        stage2 = self.stage2(self.down2(stage1))
        stage3 = self.stage3(self.down3(stage2))
        tokens, motion4 = self.stage4(self.embed4(stage1, stage2, stage3))
        stage4 = self.norm4(tokens).permute(0, 3, 1, 2)
        tokens, motion5 = self.stage5(self.embed5(stage4))
        stage5 = self.norm5(tokens).permute(0, 3, 1, 2)
        return Features((stage1, stage2, stage3, stage4, stage5), (motion4, motion5))


class FlowHead(nn.Module):
    """Flow towards both frames and a blending mask, estimated at ``4 / scale`` of the frames' size."""

    def __init__(self, feature_channels: int, image_channels: int, hidden: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.convs = nn.Sequential(
            conv_prelu(feature_channels // 16 + image_channels, hidden),
            conv_prelu(hidden, hidden),
            conv_prelu(hidden, 5),
        )

    def forward(self, features: Tensor, images: Tensor, flow: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Flow ``(T, 4, H, W)`` and mask logit ``(T, 1, H, W)``, or increments of them where a flow is given."""
        factor = 4 / self.scale
        # Twice by 2: another order of channels than once by 4.
        inputs = [F.pixel_shuffle(F.pixel_shuffle(features, 2), 2), resize(images, factor)]
        if flow is not None:
            inputs.append(resize(flow, factor) * factor)
        result = resize(self.convs(torch.cat(inputs, 1)).float(), self.scale / 4)
        return result[:, :4] * (self.scale / 4), result[:, 4:]


class Refinement(nn.Module):
    """A U-Net that adds what warping cannot show, from the frames and their warped features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        c = 2 * width

        def down(channels_in: int, channels: int) -> nn.Module:
            return nn.Sequential(conv_prelu(channels_in, channels, 3, 2), conv_prelu(channels, channels))

        def up(channels_in: int, channels: int) -> nn.Module:
            return nn.Sequential(nn.ConvTranspose2d(channels_in, channels, 4, 2, 1), nn.PReLU(channels))

        self.down0 = down(17 + 2 * width, 2 * c)
        self.down1 = down(4 * c, 4 * c)
        self.down2 = down(8 * c, 8 * c)
        self.down3 = down(16 * c, 16 * c)
        self.up0 = up(32 * c, 8 * c)
        self.up1 = up(16 * c, 4 * c)
        self.up2 = up(8 * c, 2 * c)
        self.up3 = up(4 * c, c)
        self.conv = nn.Conv2d(c, 3, 3, 1, 1)

    def forward(self, images: Tensor, features: Sequence[Tensor]) -> Tensor:
        """A residual ``(T, 3, H, W)`` in [-1, 1].

        ``images`` are frames, warped frames, mask logit and flow ``(T, 17, H, W)``; ``features`` the warped
        features of both frames, concatenated, at five levels.
        """
        s0 = self.down0(torch.cat((images, features[0]), 1))
        s1 = self.down1(torch.cat((s0, features[1]), 1))
        s2 = self.down2(torch.cat((s1, features[2]), 1))
        s3 = self.down3(torch.cat((s2, features[3]), 1))
        x = self.up0(torch.cat((s3, features[4]), 1))
        x = self.up1(torch.cat((x, s2), 1))
        x = self.up2(torch.cat((x, s1), 1))
        x = self.up3(torch.cat((x, s0), 1))
        return 2 * torch.sigmoid(self.conv(x).float()) - 1


class EMAVFI(nn.Module):
    """Backbone, two flow heads, refinement. Frames are in the channel order of training, BGR.

    Args:
        width: channels of the first stage.
        depths: attention blocks of stages 4 and 5.
        motion_channels: channels of motion that one attention block of stages 4 and 5 gives.
    """

    def __init__(self, *, width: int, depths: tuple[int, int], motion_channels: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = Backbone(width=width, depths=depths, motion_channels=motion_channels)
        motion4, motion5 = (depth * channels for depth, channels in zip(depths, motion_channels, strict=True))
        self.flow_heads = nn.ModuleList(
            [
                FlowHead(2 * (motion5 + 16 * width), 6, 4 * width, 16),
                FlowHead(2 * (motion4 + 8 * width), 17, 4 * width, 8),
            ]
        )
        self.refinement = Refinement(width)

    def prepare(self, frame0: Tensor, frame1: Tensor, scale: float = 1.0) -> EMAVFIState:
        """What does not depend on time, for frames ``(N, 3, H, W)``."""
        features = self.backbone(torch.cat((frame0, frame1)))
        if scale == 1:
            return EMAVFIState((frame0, frame1), features, scale, (frame0, frame1), features)
        small = (resize(frame0, scale), resize(frame1, scale))
        return EMAVFIState((frame0, frame1), features, scale, small, self.backbone(torch.cat(small)))

    def _flow(self, state: EMAVFIState, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Flow ``(T, 4, h, w)`` and mask logit at the size of the small frames."""
        count = len(timesteps)
        time = timesteps.view(-1, 1, 1, 1)
        frame0, frame1 = (frame.expand(count, -1, -1, -1) for frame in state.small_frames)
        features = state.small_features

        def at_time(level: int) -> Tensor:
            motion0, motion1 = features.motion[level - 3].chunk(2)
            appearance = (part.expand(count, -1, -1, -1) for part in features.appearance[level].chunk(2))
            return torch.cat((time * motion0, (1 - time) * motion1, *appearance), 1)

        coarse, fine = self.flow_heads
        flow, mask = coarse(at_time(4), torch.cat((frame0, frame1), 1))
        warped0, warped1 = backward_warp(frame0, flow[:, 0:2]), backward_warp(frame1, flow[:, 2:4])
        more_flow, more_mask = fine(at_time(3), torch.cat((frame0, frame1, warped0, warped1, mask), 1), flow)
        return flow + more_flow, mask + more_mask

    def synthesize(self, state: EMAVFIState, timesteps: Tensor) -> Tensor:
        """The frames ``(T, 3, H, W)`` at ``timesteps`` ``(T,)``."""
        flow, mask = self._flow(state, timesteps)
        size = (state.frames[0].shape[-2], state.frames[0].shape[-1])
        flow, mask = resize_to(flow, size) / state.scale, resize_to(mask, size)
        frame0, frame1 = (frame.expand(len(timesteps), -1, -1, -1) for frame in state.frames)
        warped0, warped1 = backward_warp(frame0, flow[:, 0:2]), backward_warp(frame1, flow[:, 2:4])

        features, level_flow = [], flow
        for level in state.features.appearance:
            level0, level1 = (part.expand(len(timesteps), -1, -1, -1) for part in level.chunk(2))
            warped = (backward_warp(level0, level_flow[:, 0:2]), backward_warp(level1, level_flow[:, 2:4]))
            features.append(torch.cat(warped, 1))
            level_flow = resize(level_flow, 0.5) * 0.5
        residual = self.refinement(torch.cat((frame0, frame1, warped0, warped1, mask, flow), 1), features)

        weight = torch.sigmoid(mask)
        return (warped0 * weight + warped1 * (1 - weight) + residual).clamp(0, 1)  # type: ignore[no-any-return]

    def forward(self, frame0: Tensor, frame1: Tensor, timesteps: Tensor, scale: float = 1.0) -> Tensor:
        """The frames at ``timesteps`` ``(T,)`` between two frames ``(1, 3, H, W)``."""
        return self.synthesize(self.prepare(frame0, frame1, scale), timesteps)


def build(shapes: Shapes) -> EMAVFI:
    """The network whose state dict has these shapes."""

    def depth(stage: int) -> int:
        return sum(name.startswith(f"backbone.stage{stage}.") and name.endswith(".attn.q.weight") for name in shapes)

    def motion(stage: int) -> int:
        return shapes[f"backbone.stage{stage}.0.attn.cor_embed.weight"][0]

    return EMAVFI(
        width=shapes["backbone.stage1.0.weight"][0],
        depths=(depth(4), depth(5)),
        motion_channels=(motion(4), motion(5)),
    )


def create(name: str) -> EMAVFI:
    """The untrained network of the model called ``name``, at its published size."""
    width, depth = (16, 2) if name == "ema-vfi-small" else (32, 4)
    return EMAVFI(width=width, depths=(depth, depth), motion_channels=(64, 128))


def example(_name: str) -> EMAVFI:
    """A very small untrained network."""
    return EMAVFI(width=4, depths=(2, 2), motion_channels=(8, 16))
