"""Scene detection against planted events, beside std.PlaneStats, scxvid and mvutensils.

    python benchmarks/scenes.py [--data ../shared/data] [--events 25] [--seed 1]

Every event is a short clip drawn by code from photographs and footage: cuts between unlike and similar shots, and
what only looks like a cut: flashes, fades, cross-fades, fast pans, zooms, explosions, things that pass the camera.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsvfi.commands.clips import Clip, core
from vsvfi.filter import scenes
from vsvfi.models.info import PlaneFrame

WIDTH, HEIGHT, LENGTH = 320, 180, 20
LABELLED = {285, 378, 553}
"""First frames of the scenes in the first 30 s of Big Buck Bunny, found by looking at it."""

type Picture = NDArray[np.float32]
type Shot = Callable[[int], Picture]


class Material:
    """Photographs and footage, in luma."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.rng = rng
        paths = sorted(folder.glob("photos/*.png"))
        self.photos = [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32) for path in paths]
        self.footage = [video(path, 60) for path in sorted(folder.glob("footage/*-detection.mp4"))]

    def shot(
        self,
        *,
        speed: float = 0.006,
        zoom: float = 0.003,
        photo: int | None = None,
        place: NDArray[np.float64] | None = None,
    ) -> Shot:
        """A camera that moves over a photograph: ``speed`` in picture widths a frame, ``zoom`` in parts a frame."""
        rng = self.rng
        picture = self.photos[rng.integers(len(self.photos)) if photo is None else photo]
        height, width = picture.shape
        scale = rng.uniform(0.85, 1.25)
        angle = rng.uniform(0, 2 * np.pi)
        x, y = (rng.uniform(0.35, 0.65, 2) if place is None else place) * (width, height)
        rate = rng.uniform(-zoom, zoom)
        noise = rng.choice([0.0, 1.0, 3.0])
        step = rng.uniform(0.3, 1.0) * speed * WIDTH * np.array([np.cos(angle), 0.5 * np.sin(angle)])

        def at(n: int) -> Picture:
            s = scale * (1 + rate) ** n
            cx, cy = np.array([x, y]) + (n - LENGTH / 2) * step / s
            matrix = np.array([[s, 0, WIDTH / 2 - s * cx], [0, s, HEIGHT / 2 - s * cy]], np.float32)
            out: Picture = np.asarray(
                cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT),
                np.float32,
            )
            return out + rng.normal(0, noise, out.shape).astype(np.float32) if noise else out

        return at

    def film(self) -> Shot:
        """A piece of footage from a fixed camera."""
        frames = self.footage[self.rng.integers(len(self.footage))]
        start = self.rng.integers(len(frames) - LENGTH)
        return lambda n: frames[start + n]


def video(path: Path, limit: int) -> list[Picture]:
    """The first frames of a video, in luma, at the size of the events."""
    capture = cv2.VideoCapture(str(path))
    frames: list[Picture] = []
    while len(frames) < limit:
        found, frame = capture.read()
        if not found:
            break
        small = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32))
    return frames


def cut(m: Material) -> tuple[list[Picture], set[int]]:
    at = int(m.rng.integers(6, 14))
    first, second = m.shot(), m.shot() if m.rng.random() < 0.8 else m.film()
    return [first(n) if n < at else second(n) for n in range(LENGTH)], {at}


def cut_in_motion(m: Material) -> tuple[list[Picture], set[int]]:
    at = int(m.rng.integers(6, 14))
    first, second = m.shot(speed=0.04, zoom=0.02), m.shot(speed=0.04, zoom=0.02)
    return [first(n) if n < at else second(n) for n in range(LENGTH)], {at}


def cut_similar(m: Material) -> tuple[list[Picture], set[int]]:
    """The other shot shows another part of the same photograph: same light, same palette."""
    at = int(m.rng.integers(6, 14))
    photo = int(m.rng.integers(len(m.photos)))
    first = m.shot(photo=photo, place=np.array([0.25, 0.3]))
    second = m.shot(photo=photo, place=np.array([0.75, 0.7]))
    return [first(n) if n < at else second(n) for n in range(LENGTH)], {at}


def cut_dark(m: Material) -> tuple[list[Picture], set[int]]:
    """Both shots are dark and flat, as at night."""
    frames, cuts = cut(m)
    return [20 + 0.22 * frame for frame in frames], cuts


def cut_twice(m: Material) -> tuple[list[Picture], set[int]]:
    """A shot of five frames between two others."""
    shots = [m.shot(), m.shot(), m.shot()]
    return [shots[(n >= 7) + (n >= 12)](n) for n in range(LENGTH)], {7, 12}


def cut_black(m: Material) -> tuple[list[Picture], set[int]]:
    """A scene that comes straight out of black."""
    shot = m.shot()
    return [np.full((HEIGHT, WIDTH), 16, np.float32) if n < 8 else shot(n) for n in range(LENGTH)], {8}


def still(m: Material) -> tuple[list[Picture], set[int]]:
    shot = m.film() if m.rng.random() < 0.5 else m.shot(speed=0.0, zoom=0.0)
    return [shot(n) for n in range(LENGTH)], set()


def flash(m: Material) -> tuple[list[Picture], set[int]]:
    shot, at, length = m.shot(), int(m.rng.integers(6, 12)), int(m.rng.integers(1, 3))
    strength = m.rng.uniform(60, 255)
    gain = m.rng.uniform(0.2, 1.0)
    return [shot(n) * gain + strength if at <= n < at + length else shot(n) for n in range(LENGTH)], set()


def fade(m: Material) -> tuple[list[Picture], set[int]]:
    shot, length, level = m.shot(), int(m.rng.integers(5, 12)), float(m.rng.choice([16, 235]))
    weights = np.clip((np.arange(LENGTH) - 4) / length, 0, 1)
    weights = weights if m.rng.random() < 0.5 else 1 - weights
    return [shot(n) * w + level * (1 - w) for n, w in enumerate(weights)], set()


def cross_fade(m: Material) -> tuple[list[Picture], set[int]]:
    first, second, length = m.shot(), m.shot(), int(m.rng.integers(6, 13))
    weights = np.clip((np.arange(LENGTH) - 3) / length, 0, 1)
    return [first(n) * (1 - w) + second(n) * w for n, w in enumerate(weights)], set()


def fast_pan(m: Material) -> tuple[list[Picture], set[int]]:
    shot = m.shot(speed=0.08)
    return [np.asarray(cv2.GaussianBlur(shot(n), (9, 1), 2), np.float32) for n in range(LENGTH)], set()


def zoom(m: Material) -> tuple[list[Picture], set[int]]:
    shot = m.shot(zoom=0.06)
    return [shot(n) for n in range(LENGTH)], set()


def shake(m: Material) -> tuple[list[Picture], set[int]]:
    shot = m.shot()
    moves = m.rng.normal(0, 9, (LENGTH, 2))

    def moved(n: int) -> Picture:
        dx, dy = moves[n]
        matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        return np.asarray(cv2.warpAffine(shot(n), matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.float32)

    return [moved(n) for n in range(LENGTH)], set()


def explosion(m: Material) -> tuple[list[Picture], set[int]]:
    """A ball of fire that grows to fill most of the picture in a few frames."""
    shot, at = m.shot(), int(m.rng.integers(4, 8))
    x, y = m.rng.uniform(0.3, 0.7, 2) * (WIDTH, HEIGHT)
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH]
    texture = m.shot(speed=0.05)
    frames = []
    for n in range(LENGTH):
        radius = max(0, n - at) * m.rng.uniform(18, 30)
        mask = np.clip((radius - np.hypot(xx - x, yy - y)) / 25, 0, 1).astype(np.float32) * max(
            0.0, 1 - max(0, n - at - 5) / 8
        )
        frames.append(shot(n) * (1 - mask) + mask * (170 + 0.4 * texture(n)))
    return frames, set()


def passer_by(m: Material) -> tuple[list[Picture], set[int]]:
    """Something large and near crosses the picture within a few frames."""
    shot, coat = m.shot(), m.shot(speed=0.0)
    width, frames_across = m.rng.uniform(0.3, 0.6) * WIDTH, m.rng.uniform(6, 12)
    frames = []
    for n in range(LENGTH):
        left = -width + (n - 4) * (WIDTH + width) / frames_across
        xx = np.arange(WIDTH)
        mask = ((xx >= left) & (xx < left + width)).astype(np.float32)
        frames.append(shot(n) * (1 - mask) + mask * (0.5 * np.roll(coat(0), int(left), 1) + 20))
    return frames, set()


EVENTS = (
    *(cut, cut, cut_in_motion, cut_similar, cut_dark, cut_twice, cut_black),
    *(still, flash, fade, cross_fade, fast_pan, zoom, shake, explosion, passer_by),
)


def events(material: Material, count: int) -> Iterator[tuple[str, list[NDArray[np.uint8]], set[int]]]:
    """``count`` events of each kind: name, frames, first frames of new scenes."""
    for kind in EVENTS:
        for _ in range(count):
            frames, cuts = kind(material)
            yield kind.__name__, [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in frames], cuts


def plane_frame(picture: NDArray[np.uint8]) -> PlaneFrame:
    return PlaneFrame((np.ascontiguousarray(picture),), "GRAY", 8, (0, 0), True)


def ours(frames: list[NDArray[np.uint8]]) -> list[float]:
    """The score of the boundary before each frame."""
    described = [scenes.describe(plane_frame(frame)) for frame in frames]
    return [0.0] + [
        scenes.cut_score(described[max(0, n - scenes.BEFORE) : n], described[n : n + scenes.AFTER])
        for n in range(1, len(frames))
    ]


def clip_of(frames: list[NDArray[np.uint8]]) -> Clip:
    height, width = frames[0].shape
    blank = core.std.BlankClip(width=width, height=height, format=vs.GRAY8, length=len(frames), keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        np.asarray(out[0])[:] = frames[n]
        return out

    return core.std.ModifyFrame(blank, blank, fill)


def marked(clip: Clip, name: str) -> set[int]:
    return {n for n, frame in enumerate(clip.frames()) if n and frame.props.get(name, 0)}


def plane_stats(frames: list[NDArray[np.uint8]]) -> set[int]:
    clip = clip_of(frames)
    stats = core.std.PlaneStats(clip, clip[0] + clip)
    return {n for n, frame in enumerate(stats.frames()) if n < len(frames) and frame.props["PlaneStatsDiff"] > 0.1}


def scxvid(frames: list[NDArray[np.uint8]]) -> set[int]:
    return marked(core.scxvid.Scxvid(core.resize.Point(clip_of(frames), format=vs.YUV420P8)), "_SceneChangePrev")


def mvutensils(frames: list[NDArray[np.uint8]]) -> set[int]:
    clip = core.resize.Point(clip_of(frames), format=vs.YUV420P8)
    known = core.mvu.Super(clip, blksize=[16, 16], overlap=[8, 8])
    vectors = core.mvu.Analyse(known, blksize=[16, 16], overlap=[8, 8], delta=-1)
    return marked(core.mvu.SCDetection(clip, vectors), "_SceneChangePrev")


class Tally:
    """True and false cuts of one detector, by kind of event."""

    def __init__(self) -> None:
        self.found = self.missed = self.false = 0
        self.trouble: dict[str, int] = {}

    def add(self, kind: str, said: set[int], cuts: set[int]) -> None:
        self.found += len(said & cuts)
        self.missed += len(cuts - said)
        self.false += len(said - cuts)
        wrong = len(cuts ^ said)
        if wrong:
            self.trouble[kind] = self.trouble.get(kind, 0) + wrong

    def row(self, name: str) -> str:
        recall = self.found / max(1, self.found + self.missed)
        precision = self.found / max(1, self.found + self.false)
        worst = ", ".join(
            f"{kind} {count}" for kind, count in sorted(self.trouble.items(), key=lambda item: -item[1])[:6]
        )
        return f"| {name} | {recall:.3f} | {precision:.3f} | {worst or 'none'} |"


def speed(photo: Picture) -> float:
    """Frames per second at 1080p of description and decision together, on this thread."""
    base = cv2.resize(np.clip(photo, 0, 255).astype(np.uint8), (2100, 1400), interpolation=cv2.INTER_CUBIC)
    frames = [np.ascontiguousarray(base[60:1140, 8 * n : 8 * n + 1920], np.uint8) for n in range(12)]
    start = time.process_time()
    ours(frames)
    return len(frames) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--events", type=int, default=25, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="run the other detectors too")
    arguments = parser.parse_args()
    material = Material(arguments.data, np.random.default_rng(arguments.seed))
    peers = {"std.PlaneStats > 0.1": plane_stats, "scxvid": scxvid, "mvutensils SCDetection": mvutensils}
    tallies = {name: Tally() for name in ("vsvfi", *(peers if arguments.peers else ()))}
    scores: list[tuple[float, bool, str]] = []
    for kind, frames, cuts in events(material, arguments.events):
        found = ours(frames)
        scores += [(score, n in cuts, kind) for n, score in enumerate(found)]
        tallies["vsvfi"].add(kind, {n for n, score in enumerate(found) if score > scenes.DEFAULT_THRESHOLD}, cuts)
        for name in tallies:
            if name in peers:
                tallies[name].add(kind, peers[name](frames), cuts)
    print("| detector | recall | precision | where it errs |\n|---|---|---|---|")
    for name, tally in tallies.items():
        print(tally.row(name))
    lowest = sorted((score, kind) for score, true, kind in scores if true)[:8]
    highest = sorted(((score, kind) for score, true, kind in scores if not true), reverse=True)[:8]
    print("weakest cuts:", ", ".join(f"{score:.3f} {kind}" for score, kind in lowest))
    print("strongest others:", ", ".join(f"{score:.3f} {kind}" for score, kind in highest))
    bunny = arguments.data / "footage" / "big-buck-bunny-480p-30s.mp4"
    if bunny.is_file():
        found = ours([frame.astype(np.uint8) for frame in video(bunny, 720)])
        said = {n for n, score in enumerate(found) if score > scenes.DEFAULT_THRESHOLD}
        print(f"Big Buck Bunny: {sorted(said)}, by eye {sorted(LABELLED)}")
    print(f"1080p: {speed(material.photos[0]):.0f} frames per second on one core")


if __name__ == "__main__":
    main()
