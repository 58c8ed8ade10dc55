"""An adversarial part of the loss: a discriminator that is trained with the network (FIGAN, arXiv 1711.06045)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsvfi.train.distributed import World

__all__ = ["Adversary", "Discriminator"]

WIDTHS = (32, 32, 64, 64, 128, 128, 256, 256)
"""Channels of the blocks; every second one halves the size."""


class Discriminator(nn.Module):
    """Eight convolutions with batch normalisation and leaky ReLU; a logit for each frame ``(N, 3, H, W)`` in [0, 1].

    The slope (0.2) and the head (the mean over the frame, then one weight a channel) are our choice: no source names
    them.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for k, (before, after) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False)):
            layers += [nn.Conv2d(before, after, 3, 2 - k % 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(WIDTHS[-1], 1)

    def forward(self, frame: Tensor) -> Tensor:
        """The logits ``(N,)`` of the frames being real."""
        logits: Tensor = self.head(self.features(frame).mean((2, 3)))
        return logits[:, 0]


class Adversary:
    """The discriminator with its optimizer (Adam at ``rate``)."""

    def __init__(self, rate: float, device: torch.device) -> None:
        self.network = Discriminator().to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)

    def loss(self, made: Tensor) -> Tensor:
        """The generator's part, log(1 - D(made)): the more it looks real, the lower."""
        return -F.softplus(self.network(made.float())).mean()

    def learn(self, made: Tensor, real: Tensor, world: World | None = None) -> float:
        """A step of maximising log D(real) + log(1 - D(made)); returns its negative: lower is better."""
        loss = F.softplus(-self.network(real)).mean() + F.softplus(self.network(made.detach().float())).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if world is not None:
            world.average_gradients(self.network)
        self.optimizer.step()
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to continue."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
