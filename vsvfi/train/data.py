"""Training samples: every one is a function of the configuration, the seed and its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vsvfi.models.recipe import Batch
from vsvfi.train.config import Config, ConfigError
from vsvfi.train.footage import Footage, open_footage
from vsvfi.train.scenes import Scenes, render
from vsvfi.train.textures import draw_bank, read_photos

__all__ = ["Needs", "Samples", "batches", "footage_windows", "stack"]

_HELD_OUT = 1_000_003
"""Added to the seed for validation scenes and their textures."""


@dataclass(frozen=True)
class Needs:
    """What a model needs of a sample: frames at the offsets ``window``, and what ``measure`` gives (see `Recipe`)."""

    window: tuple[int, ...] = (0, 1)
    measure: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None


type Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A window of footage: whole frames ``(F + 1, H, W, 3)`` in 0 to 255, the target last."""

    pictures: NDArray[np.uint8]
    timestep: float


def stack(pictures: Pictures, timestep: float, needs: Needs, margin: int = 0) -> Batch:
    """One sample, without the batch dimension, from the window's frames and their target ``(F + 1, H, W, 3)``.

    ``margin`` pixels all round are measured in, and then cut off.
    """
    measured = np.empty(0, np.float32)
    if needs.measure is not None:
        measured = needs.measure(np.clip(pictures[:-1] * 255 + 0.5, 0, 255).astype(np.uint8))
    if margin:
        inside = slice(margin, -margin)
        pictures = pictures[:, inside, inside]
        measured = measured[..., inside, inside] if measured.size else measured
    tensor = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return Batch(
        tensor[:-1],
        tensor[-1],
        torch.tensor(timestep, dtype=torch.float32),
        torch.from_numpy(np.ascontiguousarray(measured)),
    )


class Samples(Dataset[Batch]):
    """Samples by index: generated scenes and crops of footage, mixed as the configuration says.

    ``held_out`` gives generated scenes only, from other textures and seeds, undisturbed, at the midpoint.
    """

    def __init__(self, config: Config, needs: Needs, cache: Path, *, held_out: bool = False) -> None:
        data = config.data
        if needs.measure is not None and data.draw_on_device:
            raise ConfigError("data.draw_on_device must be false for this model: its flows are measured on the CPU")
        self.config = config
        self.needs = needs
        self.held_out = held_out
        self.seed = config.run.seed + (_HELD_OUT if held_out else 0)
        self.margin = data.margin if needs.measure is not None else 0
        photos = read_photos(Path(data.photos)) if data.photos else []
        count = min(data.textures, 32) if held_out else data.textures
        self.bank = torch.from_numpy(draw_bank(self.seed, count, data.texture_size, photos))
        self.clips: list[tuple[Footage, int, NDArray[np.int64]]] = []
        for name in () if held_out or data.scenes >= 1 else data.footage:
            footage = open_footage(Path(name), cache)
            size = data.crop + 2 * self.margin
            if min(footage.frames.shape[1:3]) < size:
                height, width = footage.frames.shape[1:3]
                raise ConfigError(f"{name} is {width}x{height}: too small for crops of {size} (with margin)")
            span = needs.window[-1] - needs.window[0]
            windows = [(footage, stride, footage.windows(span * stride + 1)) for stride in data.strides]
            self.clips += [window for window in windows if len(window[2])]
        if not held_out and data.scenes < 1 and not self.clips:
            raise ConfigError("the footage has no window without cuts and repeated frames")

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((self.seed, index, 1))
        data = self.config.data
        # Whole batches of scenes are drawn elsewhere when they are drawn on the device.
        if self.clips and (data.draw_on_device or rng.random() >= data.scenes):
            pictures, timestep = self._from_footage(rng)
        else:
            pictures, timestep = self._from_scene(rng, index)
        if not self.held_out:
            pictures = _flip(rng, pictures)
            if self.outer and rng.random() < data.repeat_outer:
                both = rng.integers(3)
                for side, (outer, inner) in enumerate(self.outer):
                    if both != 1 - side:
                        pictures[outer] = pictures[inner]
        return stack(pictures, timestep, self.needs, self.margin)

    @property
    def outer(self) -> list[tuple[int, int]]:
        """The places in the window of the frames before and after the two around the new one, each with its neighbour.

        Empty for a window of two.
        """
        places = [(o, o - 1 if o > 0 else o + 1) for o in self.needs.window if o not in (0, 1)]
        return [(self.needs.window.index(outer), self.needs.window.index(inner)) for outer, inner in places]

    def draw(self, step: int, bank: Tensor) -> Batch:
        """A whole batch of generated scenes, drawn at once on the device of the textures ``bank``."""
        data, size = self.config.data, self.config.run.batch
        rng = np.random.default_rng((self.seed, step, 3))
        indices = range(step * size, (step + 1) * size)
        shape = (data.crop, data.crop)
        scenes = Scenes.generate(self.seed, indices, size=shape, textures=len(bank), texture_size=bank.shape[1])
        scenes = scenes.to(lambda value: torch.from_numpy(value).to(bank.device))
        between = rng.uniform(0.05, 0.95, size) if data.any_timestep else np.full(size, 0.5)
        timestep = torch.from_numpy(between.astype(np.float32)).to(bank.device)
        times = [torch.full_like(timestep, time) for time in self.needs.window]
        *frames, target = (render(scenes, time - 0.5, bank, size=shape).movedim(3, 1) for time in (*times, timestep))
        window = torch.stack(frames, 1)
        noisy = torch.from_numpy(((rng.random(size) < data.noise) * rng.uniform(0.004, 0.03, size)).astype(np.float32))
        seeded = torch.Generator(bank.device).manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(window.shape, generator=seeded, device=bank.device)
        window = (window + noise * noisy.to(bank.device).view(-1, 1, 1, 1, 1)).clamp(0, 1)
        repeats = torch.from_numpy(rng.random((size, 2)) < data.repeat_outer / 2).to(bank.device)
        for side, (outer, inner) in enumerate(self.outer):
            repeated = repeats[:, side].view(-1, 1, 1, 1)
            window[:, outer] = torch.where(repeated, window[:, inner], window[:, outer])
        for i in np.flatnonzero(rng.random(size) < data.compression):
            window[i] = _quantised(window[i], float(rng.uniform(0.006, 0.03)))
        return Batch(window, target, timestep, timestep.new_empty(0))

    def _from_footage(self, rng: np.random.Generator) -> tuple[Pictures, float]:
        # The longer a clip, the more of its windows are seen.
        counts = np.array([len(windows) for _, _, windows in self.clips], np.float64)
        footage, stride, windows = self.clips[rng.choice(len(self.clips), p=np.sqrt(counts) / np.sqrt(counts).sum())]
        start = int(windows[rng.integers(len(windows))])
        step = int(rng.integers(1, stride)) if self.config.data.any_timestep else stride // 2
        size = self.config.data.crop + 2 * self.margin
        height, width = footage.frames.shape[1:3]
        window = self.needs.window
        before = start - window[0] * stride
        inner = (before, before + stride)
        # Of a few places, the one where most changes: real frames are mostly still.
        places = [(int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))) for _ in range(8)]

        def action(place: tuple[int, int]) -> float:
            y, x = place
            first, second = (footage.frames[i, y : y + size : 4, x : x + size : 4, 1].astype(np.int16) for i in inner)
            return float(np.abs(first - second).mean())

        y, x = max(places, key=action)
        picked = [*(before + offset * stride for offset in window), before + step]
        crop = np.stack([footage.frames[i, y : y + size, x : x + size] for i in picked]).astype(np.float32)
        crop /= 255
        if rng.random() < 0.5:
            return np.concatenate((crop[-2::-1], crop[-1:])), 1 - step / stride
        return crop, step / stride

    def _from_scene(self, rng: np.random.Generator, index: int) -> tuple[Pictures, float]:
        data = self.config.data
        size = data.crop + 2 * self.margin
        timestep = float(rng.uniform(0.05, 0.95)) if data.any_timestep and not self.held_out else 0.5
        scene = Scenes.generate(
            self.seed, [index], size=(size, size), textures=len(self.bank), texture_size=self.bank.shape[1]
        )
        times = torch.tensor([*self.needs.window, timestep], dtype=torch.float32) - 0.5
        repeated = scene.to(lambda value: torch.from_numpy(np.repeat(value, len(times), 0)))
        pictures = render(repeated, times, self.bank, size=(size, size)).numpy()
        inputs = range(len(times) - 1)
        if not self.held_out and rng.random() < data.noise:
            deviation = rng.uniform(0.004, 0.03)
            pictures[:-1] += rng.normal(0, deviation, pictures[:-1].shape).astype(np.float32)
        if not self.held_out and rng.random() < data.compression:
            quality = int(rng.integers(40, 95))
            for i in inputs:
                pictures[i] = _compressed(pictures[i], quality)
        return np.clip(pictures, 0, 1), timestep

    def __len__(self) -> int:
        return self.config.run.steps * self.config.run.batch


def _compressed(picture: Pictures, quality: int) -> Pictures:
    eight_bit = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    _, code = cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded / np.float32(255)


def _quantised(frames: Tensor, step: float) -> Tensor:
    """Frames ``(..., H, W)``, sides multiples of 8, as a transform codec leaves them: finer detail is rounded more."""
    k = torch.arange(8, dtype=torch.float32, device=frames.device)
    cosines = torch.cos(torch.pi / 8 * (k[None] + 0.5) * k[:, None]) / 2
    cosines[0] *= 0.5**0.5
    height, width = frames.shape[-2:]
    blocks = frames.unflatten(-1, (width // 8, 8)).unflatten(-3, (height // 8, 8))
    steps = step * (1 + k[:, None] + k[None])[:, None]
    spectra = torch.einsum("ui,...ixj,vj->...uxv", cosines, blocks, cosines)
    rounded = (spectra / steps).round() * steps
    return torch.einsum("ui,...uxv,vj->...ixj", cosines, rounded, cosines).flatten(-2).flatten(-3, -2).clamp(0, 1)


def _flip(rng: np.random.Generator, pictures: Pictures) -> Pictures:
    if rng.random() < 0.5:
        pictures = pictures[:, :, ::-1]
    if rng.random() < 0.5:
        pictures = pictures[:, ::-1]
    if rng.random() < 0.5:
        pictures = pictures.transpose(0, 2, 1, 3)
    return np.ascontiguousarray(pictures)


def footage_windows(path: Path, needs: Needs, cache: Path, count: int) -> Iterator[Window]:
    """At most ``count`` windows of a video, spread over it: every second frame, the ones between as targets."""
    footage = open_footage(path, cache)
    first, last = needs.window[0], needs.window[-1]
    starts = footage.windows(2 * (last - first) + 1)
    for start in starts[np.linspace(0, len(starts) - 1, min(count, len(starts))).astype(int)]:
        before = start - 2 * first
        picked = [*(before + 2 * offset for offset in needs.window), before + 1]
        yield Window(np.stack([footage.frames[i] for i in picked]), 0.5)


class _Indices(Sampler[int]):
    def __init__(self, indices: Sequence[int]) -> None:
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _loader(samples: Samples, steps: Sequence[int], *, pin: bool) -> DataLoader[Any]:
    size = samples.config.run.batch
    return DataLoader(
        samples,
        batch_size=size,
        sampler=_Indices([index for step in steps for index in range(step * size, (step + 1) * size)]),
        num_workers=samples.config.data.workers,
        # A forked child of a process with threads may hang.
        multiprocessing_context="spawn" if samples.config.data.workers else None,
        worker_init_fn=_one_thread,
        pin_memory=pin,
        collate_fn=_collate,
    )


def batches(samples: Samples, start: int, device: torch.device) -> Iterator[Batch]:
    """The batches from step ``start`` on, on ``device``: the same whether or not the run was interrupted before."""
    data, steps = samples.config.data, range(start, samples.config.run.steps)
    drawn = {s for s in steps if data.draw_on_device and _share(samples.seed, s) < data.scenes}
    loaded = iter(_loader(samples, [s for s in steps if s not in drawn], pin=device.type == "cuda"))
    bank = samples.bank.to(device) if drawn else samples.bank
    for step in steps:
        yield samples.draw(step, bank) if step in drawn else next(loaded).to(device)


def _share(seed: int, step: int) -> float:
    return float(np.random.default_rng((seed, step, 2)).random())


def _collate(samples: list[Batch]) -> Batch:
    return Batch(*(torch.stack(values) for values in zip(*samples, strict=True)))
