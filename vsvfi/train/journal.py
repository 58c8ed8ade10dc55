"""A run's log for its users: numbers over time and sample pictures, as files and for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Journal", "psnr", "sheet", "ssim"]


def psnr(frame: Tensor, truth: Tensor) -> float:
    """Of two frames ``(N, 3, H, W)`` in [0, 1], in dB, rounded to 8 bits as the papers measure."""
    error = ((frame.clamp(0, 1) * 255).round() - (truth * 255).round()).square().mean()
    return float(10 * torch.log10(255**2 / error.clamp_min(1e-10)))


def ssim(frame: Tensor, truth: Tensor) -> float:
    """Mean structural similarity (Wang et al. 2004) of frames ``(N, 3, H, W)`` in [0, 1]: 11x11 Gaussian of 1.5."""
    positions = torch.arange(11, dtype=torch.float32, device=frame.device) - 5
    taps = torch.exp(-positions.square() / (2 * 1.5**2))
    taps = taps / taps.sum()
    kernel = torch.outer(taps, taps).expand(frame.shape[1], 1, 11, 11)

    def mean(maps: Tensor) -> Tensor:
        return F.conv2d(maps, kernel, groups=maps.shape[1])

    a, b = frame.float().clamp(0, 1), truth.float()
    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((similar / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean())


def sheet(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """One picture ``(3, H, W)`` of rows of frames ``(3, h, w)`` in [0, 1]; rows are as wide as the widest one."""
    lines = [torch.cat([frame.float().clamp(0, 1).cpu() for frame in row], -1) for row in rows]
    width = max(line.shape[-1] for line in lines)
    return torch.cat([F.pad(line, (0, width - line.shape[-1])) for line in lines], -2)


class Journal:
    """Numbers as lines of JSON (``log.jsonl``), pictures as PNG (``samples/``), both for TensorBoard where installed.

    Args:
        folder: the run's.
        step: where the run continues: what an earlier process wrote after it is dropped.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder = folder
        path = folder / "log.jsonl"
        kept = [line for line in path.read_text().splitlines() if _is_before(line, step)] if path.is_file() else []
        self.file = path.open("w")
        self.file.writelines(f"{line}\n" for line in kept)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.board: Any = None
        else:
            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers at a step."""
        self.file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        self.file.flush()
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def show(self, step: int, picture: Tensor) -> None:
        """A picture ``(3, H, W)`` in [0, 1] at a step."""
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        pixels = (picture * 255).round().to(torch.uint8)
        cv2.imwrite(str(folder / f"{step:07d}.png"), pixels.permute(1, 2, 0).flip(-1).contiguous().numpy())
        if self.board is not None:
            self.board.add_image("samples", pixels, step)

    def close(self) -> None:
        """Finish the files."""
        self.file.close()
        if self.board is not None:
            self.board.close()


def _is_before(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError):  # the last line of a process that was killed
        return False
