"""Training samples: every one is a function of the configuration, the seed and its index."""

from __future__ import annotations

import logging
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
from vsvfi.train.distributed import World
from vsvfi.train.footage import Footage, FootageError, open_footage
from vsvfi.train.scenes import Scenes, render
from vsvfi.train.sequences import ImageSet, pick, read_image, read_set, videos_in
from vsvfi.train.textures import draw_bank, read_photos

__all__ = ["Needs", "Samples", "batches", "footage_files", "footage_windows", "stack"]

log = logging.getLogger("vsvfi.train")

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
    """Samples by index: generated scenes and crops of footage, mixed as configured.

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
        self.sets: list[ImageSet] = []
        if not held_out and data.scenes < 1:
            self._open(cache)

    def _open(self, cache: Path) -> None:
        """Footage and data sets; what is damaged is named and skipped."""
        data, needs = self.config.data, self.needs
        span = needs.window[-1] - needs.window[0]
        for path in footage_files(data.footage):
            try:
                footage = open_footage(path, cache)
            except FootageError as error:
                if not path.is_file():
                    raise
                log.warning("skipped: %s", error)
                continue
            size = data.crop + 2 * self.margin
            if min(footage.frames.shape[1:3]) < size:
                height, width = footage.frames.shape[1:3]
                raise ConfigError(f"{path} is {width}x{height}: too small for crops of {size} (with margin)")
            windows = [(footage, stride, footage.windows(span * stride + 1)) for stride in data.strides]
            self.clips += [window for window in windows if len(window[2])]
        self.sets = [read_set(description) for description in data.sets]
        if not self.clips and not self.sets:
            raise ConfigError("the footage has no window without cuts and repeated frames")

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((self.seed, index, 1))
        data = self.config.data
        # Whole batches of scenes are drawn elsewhere when they are drawn on the device.
        if (self.clips or self.sets) and (data.draw_on_device or rng.random() >= data.scenes):
            pictures, timestep = self._from_footage(rng)
        else:
            pictures, timestep = self._from_scene(rng, index)
        if not self.held_out:
            pictures = _flip(rng, pictures)
            if data.shuffle_channels:
                pictures = np.ascontiguousarray(pictures[..., rng.permutation(3)])
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

    def draw(self, step: int, bank: Tensor, share: slice) -> Batch:
        """A share of a batch of generated scenes, drawn at once on the device of the textures ``bank``."""
        data, size = self.config.data, self.config.run.batch
        rng = np.random.default_rng((self.seed, step, 3))
        indices = range(step * size, (step + 1) * size)[share]
        shape = (data.crop, data.crop)
        scenes = Scenes.generate(self.seed, indices, size=shape, textures=len(bank), texture_size=bank.shape[1])
        scenes = scenes.to(lambda value: torch.from_numpy(value).to(bank.device))
        between = (rng.uniform(0.05, 0.95, size) if data.any_timestep else np.full(size, 0.5))[share]
        timestep = torch.from_numpy(between.astype(np.float32)).to(bank.device)
        times = [torch.full_like(timestep, time) for time in self.needs.window]
        *frames, target = (render(scenes, time - 0.5, bank, size=shape).movedim(3, 1) for time in (*times, timestep))
        window = torch.stack(frames, 1)
        noisy = ((rng.random(size) < data.noise) * rng.uniform(0.004, 0.03, size))[share]
        seeds = rng.integers(2**62, size=size)[share]
        for i in np.flatnonzero(noisy):
            seeded = torch.Generator(bank.device).manual_seed(int(seeds[i]))
            noise = torch.randn(window.shape[1:], generator=seeded, device=bank.device)
            window[i] = (window[i] + float(noisy[i]) * noise).clamp(0, 1)
        repeats = torch.from_numpy((rng.random((size, 2)) < data.repeat_outer / 2)[share]).to(bank.device)
        for side, (outer, inner) in enumerate(self.outer):
            repeated = repeats[:, side].view(-1, 1, 1, 1)
            window[:, outer] = torch.where(repeated, window[:, inner], window[:, outer])
        compressed, steps = rng.random(size) < data.compression, rng.uniform(0.006, 0.03, size)
        for i in np.flatnonzero(compressed[share]):
            window[i] = _quantised(window[i], float(steps[share][i]))
        return Batch(window, target, timestep, timestep.new_empty(0))

    def _from_footage(self, rng: np.random.Generator) -> tuple[Pictures, float]:
        # The more windows a source has, the more of them are seen.
        counts = [len(windows) for _, _, windows in self.clips] + [len(images.sequences) for images in self.sets]
        weights = np.sqrt(np.array(counts, np.float64))
        source = int(rng.choice(len(counts), p=weights / weights.sum()))
        if source < len(self.clips):
            frames, step, stride = self._from_clip(rng, *self.clips[source])
        else:
            frames, step, stride = self._from_set(rng, self.sets[source - len(self.clips)])
        crop = self._crop(rng, frames).astype(np.float32)
        crop /= 255
        if rng.random() < 0.5:
            return np.concatenate((crop[-2::-1], crop[-1:])), 1 - step / stride
        return crop, step / stride

    def _from_clip(
        self, rng: np.random.Generator, footage: Footage, stride: int, windows: NDArray[np.int64]
    ) -> tuple[list[NDArray[np.uint8]], int, int]:
        before = int(windows[rng.integers(len(windows))]) - self.needs.window[0] * stride
        step = int(rng.integers(1, stride)) if self.config.data.any_timestep else stride // 2
        picked = [*(before + offset * stride for offset in self.needs.window), before + step]
        return [footage.frames[i] for i in picked], step, stride

    def _from_set(self, rng: np.random.Generator, images: ImageSet) -> tuple[list[NDArray[np.uint8]], int, int]:
        """Images of one sequence; of the next one where a file is damaged, which is named."""
        data, size = self.config.data, self.config.data.crop + 2 * self.margin
        start = int(rng.integers(len(images.sequences)))
        for number in range(len(images.sequences)):
            files = images.sequences[(start + number) % len(images.sequences)]
            picked = pick(rng, len(files), self.needs.window, data.strides, any_timestep=data.any_timestep)
            if picked is None:
                continue
            try:
                frames = [read_image(files[i]) for i in picked[0]]
            except FootageError as error:
                log.warning("skipped: %s", error)
                continue
            if min(frames[0].shape[:2]) < size or len({frame.shape for frame in frames}) > 1:
                log.warning("skipped: %s is smaller than %d pixels, or not all frames are of one size", files[0], size)
                continue
            return frames, *picked[1:]
        raise ConfigError(f"no sequence of {images.name} can be used: {len(images.sequences)} were tried")

    def _crop(self, rng: np.random.Generator, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Of a few places, the one where most changes between the inner frames: real frames are mostly still."""
        size = self.config.data.crop + 2 * self.margin
        height, width = frames[0].shape[:2]
        middle = self.needs.window.index(0)
        places = [(int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))) for _ in range(8)]

        def change(place: tuple[int, int]) -> float:
            y, x = place
            first, second = (
                frame[y : y + size : 4, x : x + size : 4, 1].astype(np.int16) for frame in frames[middle : middle + 2]
            )
            return float(np.abs(first - second).mean())

        y, x = max(places, key=change)
        return np.stack([frame[y : y + size, x : x + size] for frame in frames])

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
    """Frames ``(..., H, W)``, sides multiples of 8, as a transform codec makes them: finer detail is rounded more."""
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


def footage_files(names: Sequence[str]) -> list[Path]:
    """The videos that a configuration names: files, and all in the folders that it names.

    Raises:
        ConfigError: a folder holds none.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        inside = videos_in(path) if path.is_dir() else (path,)
        if not inside:
            raise ConfigError(f"there is no video in {path}; folders of images are data.sets = ['folders:{path}']")
        found += inside
    return found


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


def _loader(samples: Samples, steps: Sequence[int], shares: Sequence[slice], *, pin: bool) -> DataLoader[Any]:
    size = samples.config.run.batch
    whole = [range(step * size, (step + 1) * size) for step in steps]
    return DataLoader(
        samples,
        batch_size=len(range(size)[shares[0]]),
        sampler=_Indices([index for indices in whole for share in shares for index in indices[share]]),
        num_workers=samples.config.data.workers,
        # A forked child of a process with threads may hang.
        multiprocessing_context="spawn" if samples.config.data.workers else None,
        worker_init_fn=_one_thread,
        pin_memory=pin,
        collate_fn=_collate,
    )


def batches(samples: Samples, start: int, device: torch.device, world: World | None = None) -> Iterator[list[Batch]]:
    """The batches from step ``start`` on, on ``device``: the same whether or not the run was interrupted before.

    Of each, the share of this process, in the parts that are made one after the other.

    Raises:
        ConfigError: a batch cannot be divided so.
    """
    world = world or World()
    data, run, steps = samples.config.data, samples.config.run, range(start, samples.config.run.steps)
    part, rest = divmod(run.batch, world.size * run.accumulate)
    if rest:
        raise ConfigError(
            f"run.batch must be a multiple of processes x run.accumulate = {world.size} x {run.accumulate}, "
            f"got {run.batch}"
        )
    first = world.rank * run.accumulate
    shares = [slice(k * part, (k + 1) * part) for k in range(first, first + run.accumulate)]
    drawn = {s for s in steps if data.draw_on_device and _share(samples.seed, s) < data.scenes}
    loaded = iter(_loader(samples, [s for s in steps if s not in drawn], shares, pin=device.type == "cuda"))
    bank = samples.bank.to(device) if drawn else samples.bank
    for step in steps:
        yield [samples.draw(step, bank, share) if step in drawn else next(loaded).to(device) for share in shares]


def _share(seed: int, step: int) -> float:
    return float(np.random.default_rng((seed, step, 2)).random())


def _collate(samples: list[Batch]) -> Batch:
    return Batch(*(torch.stack(values) for values in zip(*samples, strict=True)))
