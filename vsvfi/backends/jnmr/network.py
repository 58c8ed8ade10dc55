"""JNMR: joint non-linear motion regression over four frames, from the paper and our completion of it.

Paper: Liu, Liu, Yao, Zeng: "JNMR: Joint Non-linear Motion Regression for Video Frame Interpolation", IEEE TIP 2023.
Where it is silent the choice is ours; docs/jnmr.md gives each choice and its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.backends.jnmr.blocks import HEADS, GridNet, Head, Trunk, scaled, side_length
from vsvfi.backends.jnmr.prior import FEATURES, Prior, prior_motion
from vsvfi.backends.jnmr.warp import collaborative_warp
from vsvfi.models.info import Shapes

__all__ = ["JNMR", "Hyperparameters", "Prediction", "build", "example"]

COARSE_KERNEL = 3
FRAMES = 4
INNER = (1, 2)
WARPS = 6
CENTRE_LOGIT = 5.0
CONTRAST = 8.0
STILL_LOGIT = 2.0
QUADRATIC_LOGIT = 1.5
FRAME_LOGITS = (-2.0, 0.0, 0.0, -2.0)


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What a JNMR network is made of. The defaults are the paper's full model, with the timestep as one more input.

    ``rdfl``, ``regression`` and ``cfse`` switch the paper's three contributions (table III). ``primed`` starts the
    offsets at motion that classic optical flow measured, so that the network learns corrections only.
    """

    kernel_size: int = 11
    channels: int = 24
    synthesis_channels: int = 32
    timestep: bool = True
    primed: bool = False
    rdfl: bool = True
    regression: bool = True
    cfse: bool = True

    @property
    def inputs(self) -> int:
        """Channels that the trunk reads: frames, or the aligned frames with their motion; the timestep."""
        return (3 * WARPS + 6 + FEATURES if self.primed else 3 * FRAMES) + self.timestep

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> Hyperparameters:
        """Read the hyperparameters off the shapes of a state dict."""
        channels, inputs = shapes["trunk.conv1.0.weight"][:2]
        timestep = inputs % 2 == 1
        return cls(
            kernel_size=side_length(shapes["heads.alpha.0.final.weight"][0]),
            channels=channels,
            synthesis_channels=shapes["synthesis.lateral.0.0.f.1.weight"][0],
            timestep=timestep,
            primed=inputs - timestep != 3 * FRAMES,
            rdfl="trunk.conv4.0.weight" not in shapes,
            regression="regression.cell.gates.weight" in shapes,
            cfse="synthesis.lateral_coarse.conv.weight" in shapes,
        )


class Motions(NamedTuple):
    """AdaCoF motions: softmax logits and offsets in pixels, each ``(N, M, K * K, H, W)`` for M warps."""

    logits: Tensor
    alpha: Tensor
    beta: Tensor


class Prediction(NamedTuple):
    """The interpolated frame ``(N, 3, H, W)``, the frame before synthesis, and all offsets for the losses."""

    frame: Tensor
    reconstruction: Tensor
    offsets: tuple[Tensor, ...]


class ConvLSTMCell(nn.Module):
    """The recurrence of equations 19: input two motion maps, hidden state one; the timestep shifts the gates."""

    def __init__(self, taps: int, *, timestep: bool) -> None:
        super().__init__()
        self.gates = nn.Conv2d(3 * taps, 4 * taps, 3, padding=1)
        if timestep:
            self.timestep = nn.Parameter(torch.zeros(4 * taps))

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.gates(torch.cat((x, hidden), 1)).float()
        if hasattr(self, "timestep"):
            gates = gates + (timestep - 0.5).view(-1, 1, 1, 1) * self.timestep.view(1, -1, 1, 1)
        i, f, o, g = gates.chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


class Regression(nn.Module):
    """Joint motion regression: two chains of three steps through one cell, forward and backward in time (fig. 4).

    A chain's result corrects the motion of the side's inner frame, so that softmax logits and pixels keep their
    scale though the cell's output lies in (-1, 1).
    """

    def __init__(self, taps: int, *, timestep: bool) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(taps, timestep=timestep)
        self.scale = nn.Parameter(torch.full((3,), 0.1))

    def forward(self, motions: Motions, timestep: Tensor) -> Motions:
        """M_f and M_b ``(N, 2, K * K, H, W)`` from the motions of the four frames."""
        stacked = torch.stack(motions, 1)
        count = stacked.shape[0]
        # The backward chain is the forward one on the frames in reverse order, at 1 - t.
        both = torch.stack((stacked, stacked.flip(2)), 1)
        m = both.flatten(0, 2)
        t = torch.stack((timestep, 1 - timestep), 1).repeat_interleave(3, 1).flatten()
        hidden = cell = torch.zeros_like(m[:, 0])
        companion = m[:, 1]
        for step in (0, 1, 2):
            hidden, cell = self.cell(torch.cat((m[:, step], companion), 1), hidden, cell, t)
            companion = hidden
        change = hidden.view(count, 2, 3, *hidden.shape[1:]) * self.scale.view(1, 1, 3, 1, 1, 1)
        regressed = both[:, :, :, INNER[0]] + change
        return Motions(*regressed.unbind(2))


def _upsample(maps: Tensor) -> Tensor:
    shape = maps.shape
    large = F.interpolate(maps.flatten(1, -3), scale_factor=2, mode="bilinear", align_corners=True)
    return large.view(*shape[:-2], *large.shape[-2:])


def _quiet(conv: nn.Conv2d, gain: float = 0.1) -> Tensor:
    """Scale a convolution down, and return its bias, emptied."""
    assert conv.bias is not None
    conv.weight.mul_(gain)
    return conv.bias.zero_()


def _centre(bias: Tensor, frame: int) -> None:
    """Concentrate a frame's kernel on its centre, and prefer the inner frames."""
    bias.fill_(FRAME_LOGITS[frame])
    bias[len(bias) // 2] += CENTRE_LOGIT


class JNMR(nn.Module):
    """The network; see `Hyperparameters` for its parts."""

    def __init__(self, hyperparameters: Hyperparameters | None = None) -> None:
        super().__init__()
        self.hyperparameters = hp = hyperparameters or Hyperparameters()
        self.dilation = 2 if hp.kernel_size > COARSE_KERNEL else 1
        taps = hp.kernel_size**2
        self.trunk = Trunk(inputs=hp.inputs, channels=hp.channels, regression_driven=hp.rdfl)

        def head(hidden: tuple[int, int, int], outputs: int) -> Head:
            first, second, third = (scaled(width, hp.channels) for width in hidden)
            return Head(inputs=self.trunk.outputs, hidden=(first, second, third), outputs=outputs)

        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleList([head(hidden, taps if len(widths) == FRAMES else 1) for hidden in widths])
                for name, widths in HEADS.items()
            }
        )
        if hp.primed:
            self.still = head((52, 51, 48), 2)
        self.synthesis = GridNet(
            inputs=3 * FRAMES + 3, channels=hp.synthesis_channels, coarse_inputs=6 if hp.cfse else 0
        )
        if hp.regression:
            self.regression = Regression(taps, timestep=hp.timestep)
        if hp.cfse:
            outputs = 3 * FRAMES * COARSE_KERNEL**2 + 1
            self.coarse_heads = nn.ModuleList([nn.Conv2d(self.trunk.coarse_outputs, outputs, 1) for _ in range(2)])
            if hp.regression:
                self.coarse_regression = Regression(COARSE_KERNEL**2, timestep=hp.timestep)
        self._start_as_blend()

    @torch.no_grad()
    def _start_as_blend(self) -> None:
        """Initialise so that the untrained network mixes the inner frames: training starts from there.

        He et al.'s gain keeps the signal's size through the rectified layers; torch's default lets it fade.
        """
        for module in (*self.trunk.modules(), *self.heads.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        if self.hyperparameters.primed:
            _quiet(self.still.final).fill_(STILL_LOGIT)
        for name, heads in self._each_head():
            for frame, head in enumerate(heads):
                bias = _quiet(head.final)
                if name == "weight":
                    _centre(bias, frame)
        if self.hyperparameters.cfse:
            taps = COARSE_KERNEL**2
            for conv in self.coarse_heads:
                bias = _quiet(cast(nn.Conv2d, conv))
                for frame in range(FRAMES):
                    _centre(bias[frame * taps : (frame + 1) * taps], frame)
        final = self.synthesis.lateral_final
        for last in (final.f[-1], final.conv):
            # No correction at first: a random one would train the blend map to ignore the synthesis.
            _quiet(cast(nn.Conv2d, last), 0.0)

    def _each_head(self) -> list[tuple[str, list[Head]]]:
        return [(name, [cast(Head, head) for head in cast(nn.ModuleList, heads)]) for name, heads in self.heads.items()]

    def forward(self, frames: Tensor, timestep: Tensor, flows: Tensor | None = None) -> Prediction:
        """Interpolate.

        Args:
            frames: the four frames ``(N, 4, 3, H, W)``, RGB in [0, 1]; H and W are multiples of 32.
            timestep: ``(N,)`` in (0, 1), from the second frame (0) to the third (1).
            flows: for a primed network, the optical flows second to third, third to second, second to first and
                third to fourth frame, ``(N, 4, 2, H, W)`` in pixels.
        """
        hp = self.hyperparameters
        if hp.primed and flows is None:
            raise ValueError("a primed network needs the flows of its frames")
        prior = prior_motion(flows, timestep) if hp.primed and flows is not None else None
        inputs = self._inputs(frames, timestep, prior)
        combined, quarter, eighth = self.trunk(inputs)
        motions, occlusion, blend = self._motions(combined)
        regressed = self._regressed(self.regression, motions, timestep) if hp.regression else None
        side = torch.sigmoid(_upsample(occlusion) + self._side_logit(timestep, prior))
        full = Motions(*map(_upsample, motions))
        full_regressed = Motions(*map(_upsample, regressed)) if regressed is not None else None
        base = prior.offsets if prior is not None else None
        still = _upsample(self.still(combined).float()) if hp.primed else None
        reconstruction, warped = _reconstruct(frames, full, full_regressed, side, base, self.dilation, still)
        coarse = self._coarse(frames, timestep, prior, quarter, eighth) if hp.cfse else None
        correction = self.synthesis(torch.cat((warped, reconstruction), 1), coarse).float()
        mix = torch.sigmoid(_upsample(blend))
        offsets: tuple[Tensor, ...] = (full.alpha, full.beta)
        if full_regressed is not None:
            offsets += (full_regressed.alpha, full_regressed.beta)
        return Prediction(reconstruction + (1 - mix) * correction, reconstruction, offsets)

    def _inputs(self, frames: Tensor, timestep: Tensor, prior: Prior | None) -> Tensor:
        height, width = frames.shape[-2:]
        if prior is None:
            inputs = [2 * frames.flatten(1, 2) - 1]
        else:
            inputs = [_contrasts(frames, prior.align(frames)), prior.features]
        if self.hyperparameters.timestep:
            inputs.append((timestep - 0.5).view(-1, 1, 1, 1).expand(-1, 1, height, width))
        return torch.cat(inputs, 1)

    def _motions(self, features: Tensor) -> tuple[Motions, Tensor, Tensor]:
        """The motions of the four frames, and the logits of the occlusion and blend maps, at half size."""
        maps = {name: torch.stack([head(features).float() for head in heads], 1) for name, heads in self._each_head()}
        motions = Motions(maps["weight"], maps["alpha"], maps["beta"])
        return motions, maps["occlusion"][:, 0], maps["blend"][:, 0]

    def _regressed(self, regression: Regression, motions: Motions, timestep: Tensor) -> Motions:
        regressed: Motions = regression(motions, timestep)
        # The quadratic path that M_f and M_b start at is the better guess than the straight one.
        return (
            regressed._replace(logits=regressed.logits + QUADRATIC_LOGIT) if self.hyperparameters.primed else regressed
        )

    def _side_logit(self, timestep: Tensor, prior: Prior | None) -> Tensor:
        """Where the occlusion map starts: the nearer side in time, and the one where the motion is seen."""
        logit = torch.log((1 - timestep) / timestep).view(-1, 1, 1, 1)
        return logit if prior is None else logit + prior.side_logit

    def _coarse(self, frames: Tensor, timestep: Tensor, prior: Prior | None, quarter: Tensor, eighth: Tensor) -> Tensor:
        """The frame reconstructed at 1/4 and 1/8 size from F3 and F2, both at 1/4 size (CFSE)."""
        taps = COARSE_KERNEL**2
        results = []
        for features, conv, factor in zip((quarter, eighth), self.coarse_heads, (4, 8), strict=True):
            maps = conv(features).float()
            parts = maps[:, :-1].view(-1, 3, FRAMES, taps, *maps.shape[-2:])
            motions = Motions(*parts.unbind(1))
            regression = self.coarse_regression if self.hyperparameters.regression else None
            regressed = None if regression is None else self._regressed(regression, motions, timestep)
            small = F.avg_pool2d(frames.flatten(0, 1), factor)
            small = small.view(-1, FRAMES, *small.shape[1:])
            base = None if prior is None else prior.pooled_offsets(factor)
            logit = self._side_logit(timestep, None if prior is None else prior.pooled(factor))
            side = torch.sigmoid(maps[:, -1:] + logit)
            frame, _ = _reconstruct(small, motions, regressed, side, base, 1)
            results.append(frame)
        results[1] = F.interpolate(results[1], scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat(results, 1)


def _contrasts(frames: Tensor, aligned: Tensor) -> Tensor:
    """The past frame moved along the quadratic path, and how the others differ from what they should equal.

    Args:
        frames: ``(N, 4, 3, H, W)``.
        aligned: ``(N, 6, 3, H, W)``, as `Prior.align` gives them.

    Returns:
        ``(N, 24, H, W)``.
    """
    outer_past, past, future, outer_future, curved_past, curved_future = aligned.unbind(1)
    differences = (
        curved_future - curved_past,
        past - curved_past,
        future - curved_future,
        outer_past - curved_past,
        outer_future - curved_future,
        frames[:, INNER[1]] - frames[:, INNER[0]],
        frames[:, INNER[0]] - curved_past,
    )
    return torch.cat((2 * curved_past - 1, *(CONTRAST * difference for difference in differences)), 1)


def _reconstruct(
    frames: Tensor,
    motions: Motions,
    regressed: Motions | None,
    side: Tensor,
    base: Tensor | None,
    dilation: int,
    still: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Equations 20 to 22, with one distribution a side instead of the sum of several.

    Args:
        frames: ``(N, 4, 3, H, W)``.
        motions: of the four frames, at the frames' size.
        regressed: M_f and M_b, if there is a regression.
        side: ``(N, 1, H, W)``, the share of the past frames.
        base: ``(N, 6, 2, H, W)``, (x, y) offsets where the motions start: those of the four frames, M_f, M_b.
        dilation: between taps.
        still: ``(N, 2, H, W)``, logits of the inner frames as they are, for captions and for what flow gets wrong.

    Returns:
        the frame ``(N, 3, H, W)`` and the four warped frames ``(N, 12, H, W)``.
    """
    if regressed is not None:
        motions = Motions(*(torch.cat(pair, 1) for pair in zip(motions, regressed, strict=True)))
    sources = [0, 1, 2, 3, *INNER][: motions.logits.shape[1]]
    weights = motions.logits.softmax(2)
    mass = motions.logits.logsumexp(2)
    warped = [
        collaborative_warp(
            frames[:, source],
            weights[:, warp],
            motions.alpha[:, warp],
            motions.beta[:, warp],
            base=None if base is None else base[:, warp],
            dilation=dilation,
            mode="bicubic" if weights.shape[2] == 1 else "bilinear",
        )
        for warp, source in enumerate(sources)
    ]
    sides: list[Tensor] = []
    for members in ([0, 1, 4], [2, 3, 5]):
        present = [member for member in members if member < len(warped)]
        candidates = [warped[member] for member in present]
        logits = mass[:, present]
        if still is not None:
            candidates.append(frames[:, INNER[len(sides)]])
            logits = torch.cat((logits, still[:, len(sides) : len(sides) + 1]), 1)
        shares = logits.softmax(1)
        sides.append((shares.unsqueeze(2) * torch.stack(candidates, 1)).sum(1))
    past, future = sides
    return side * past + (1 - side) * future, torch.cat(warped[:FRAMES], 1)


def example(name: str) -> nn.Module:
    """A small untrained network, for tests."""
    del name
    return JNMR(Hyperparameters(kernel_size=3, channels=8, synthesis_channels=8))


def build(shapes: Shapes) -> nn.Module:
    """The network for a state dict of these shapes."""
    return JNMR(Hyperparameters.from_shapes(shapes))
