"""Torch models that break their contract: see vsvfi_misbehaving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from vsvfi_misbehaving import RAISED

from vsvfi.backends.base import TorchBackend
from vsvfi.models.info import BackendInfo, Options


class Torch(TorchBackend):
    """Works on tensors, but for one thing."""

    def __init__(self, info: BackendInfo, network: nn.Module, options: Options) -> None:
        super().__init__(info, network, options)
        self.at("init")

    def at(self, place: str) -> None:
        if self.info.name.startswith(f"torch-{place}-"):
            raise RAISED[self.info.name.removeprefix(f"torch-{place}-")]

    def spoil(self, place: str, frame: Tensor) -> None:
        if self.info.name == f"torch-changes-window-in-{place}":
            frame += 0.25

    def encode(self, frame: Tensor) -> None:
        self.at("encode")
        self.spoil("encode", frame)

    def prepare(self, window: Sequence[Tensor], encoded: Sequence[Any]) -> Any:
        self.at("prepare")
        self.spoil("prepare", window[0])
        return list(window)

    def synthesize(self, state: Any, timesteps: Tensor) -> Any:
        self.at("synthesize")
        self.spoil("synthesize", state[1])
        frame = state[0].clone()
        results = {
            "returns-none": None,
            "returns-a-number": 0.5,
            "returns-numpy": frame.numpy(),
            "returns-two-frames": torch.cat([frame, frame]),
            "returns-no-frame": frame[:0],
            "returns-small-frames": frame[..., 1:],
            "returns-gray": frame[:, :1],
            "returns-integers": frame.to(torch.uint8),
            "returns-nan": frame * torch.nan,
            "returns-inf": frame + torch.inf,
        }
        return results.get(self.info.name.removeprefix("torch-"), frame)
