"""The benchmarks of frame interpolation, read from the folder layouts in which their authors publish them.

A loader lists `Sample` objects and opens no image; what is not where the layout puts it is named in a `DatasetError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsvfi.commands.evaluate import sequences
from vsvfi.commands.evaluate.samples import DatasetError, Picture, Sample, Transform

__all__ = ["DATASETS", "Dataset", "DatasetError", "Sample", "load_image", "load_mask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A benchmark: what it is, and how its samples are listed."""

    name: str
    title: str
    layout: str
    paper: str
    list_samples: Callable[[Path], Iterator[Sample]]

    def samples(self, root: Path) -> list[Sample]:
        """All samples under ``root``, in the order of the dataset's own list.

        Raises:
            DatasetError: the folder, a list or an image is missing; the message names the first and the layout.
        """
        if not root.exists() or (root.is_file() and not self.name.startswith("videos")):
            raise DatasetError(f"{self.name}: there is no folder {root}")
        try:
            samples = list(self.list_samples(root))
        except DatasetError as error:
            raise DatasetError(f"{self.name}: {str(error).removeprefix(f'{self.name}: ')}") from None
        if not samples:
            raise DatasetError(f"{self.name}: no samples under {root}; expected {self.layout}")
        files = {
            path: None
            for sample in samples
            for path in (*sample.inputs, *(target for _, target in sample.targets), *filter(None, [sample.mask]))
        }
        missing = [path for path in files if not path.is_file()]
        if missing:
            others = f" (and {len(missing) - 1} more files)" if len(missing) > 1 else ""
            raise DatasetError(f"{self.name}: missing {_named(missing[0])}{others}; expected {self.layout}")
        return samples


def _named(picture: Picture) -> str:
    return str(picture) if isinstance(picture, Path) else picture.name


def load_image(picture: Picture, transform: Transform = "") -> NDArray[np.uint8]:
    """An image as ``(H, W, 3)`` RGB, 8 bit.

    ``"half"`` averages blocks of 2 x 2 pixels; ``"centre"`` cuts out the middle of half the width and height.
    """
    from PIL import Image

    if isinstance(picture, Path):
        with Image.open(picture) as opened:
            image = opened.convert("RGB")
    else:
        image = Image.fromarray(picture.read())
    width, height = image.size
    if transform == "half":
        image = image.resize((width // 2, height // 2), Image.Resampling.BOX)
    elif transform == "centre":
        left, top = width // 4, height // 4
        image = image.crop((left, top, left + width // 2, top + height // 2))
    return np.asarray(image)


def load_mask(path: Path) -> NDArray[np.bool_]:
    """The pixels ``(H, W)`` to measure: those brighter than mid-grey."""
    from PIL import Image

    with Image.open(path) as opened:
        mask: NDArray[Any] = np.asarray(opened.convert("L"))
    return mask > 127


def _lines(path: Path, dataset: str, layout: str) -> list[str]:
    if not path.is_file():
        raise DatasetError(f"{dataset}: missing {path}; expected {layout}")
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _folders(root: Path) -> list[Path]:
    def key(path: Path) -> tuple[int, str]:
        return (int(path.name) if path.name.isdecimal() else -1, path.name)

    return sorted((path for path in root.iterdir() if path.is_dir()), key=key)


_MIDDLEBURY = (
    "other-data/<sequence>/frame10.png and frame11.png with other-gt-interp/<sequence>/frame10i11.png, "
    "or all three in <sequence>/"
)


def _middlebury(root: Path) -> Iterator[Sample]:
    separate = (root / "other-data").is_dir()
    frames = root / "other-data" if separate else root
    truths = root / "other-gt-interp" if separate else root
    if separate and not truths.is_dir():
        raise DatasetError(f"middlebury-other: missing {truths}; expected {_MIDDLEBURY}")
    for folder in _folders(truths):
        yield Sample(
            name=folder.name,
            inputs=tuple(frames / folder.name / name for name in ("frame10.png", "frame11.png")),
            targets=((Fraction(1, 2), folder / "frame10i11.png"),),
        )


_TRIPLET = "tri_testlist.txt and sequences/<sequence>/<clip>/im1.png to im3.png"
_SEPTUPLET = "sep_testlist.txt and sequences/<sequence>/<clip>/im1.png to im7.png"


def _vimeo_triplet(root: Path) -> Iterator[Sample]:
    for line in _lines(root / "tri_testlist.txt", "vimeo90k-triplet", _TRIPLET):
        folder = root / "sequences" / line
        yield Sample(
            name=line,
            inputs=(folder / "im1.png", folder / "im3.png"),
            targets=((Fraction(1, 2), folder / "im2.png"),),
        )


def _vimeo_septuplet(root: Path) -> Iterator[Sample]:
    # Four references around the middle frame, as the four-frame models are tested; two-frame models use 3 and 5.
    for line in _lines(root / "sep_testlist.txt", "vimeo90k-septuplet", _SEPTUPLET):
        folder = root / "sequences" / line
        yield Sample(
            name=line,
            inputs=tuple(folder / f"im{number}.png" for number in (1, 3, 5, 7)),
            targets=((Fraction(3, 2), folder / "im4.png"),),
        )


_UCF101 = (
    "ucf101_interp_ours/<number>/frame_00.png, frame_01_gt.png, frame_02.png and, for the masked figures, "
    "motion_masks_ucf101_interp/<number>/motion_mask.png"
)


def _ucf101(root: Path, *, masked: bool) -> Iterator[Sample]:
    frames = root / "ucf101_interp_ours"
    if not frames.is_dir():
        raise DatasetError(f"ucf101: missing {frames}; expected {_UCF101}")
    for folder in _folders(frames):
        mask = root / "motion_masks_ucf101_interp" / folder.name / "motion_mask.png"
        yield Sample(
            name=folder.name,
            inputs=(folder / "frame_00.png", folder / "frame_02.png"),
            targets=((Fraction(1, 2), folder / "frame_01_gt.png"),),
            mask=mask if masked else None,
        )


_SNU_FILM = "eval_modes/test-<easy, medium, hard, extreme>.txt (or in the root) and test/<set>/<clip>/<frame>.png"


def _snu_film(root: Path, name: str, mode: str) -> Iterator[tuple[str, list[Path]]]:
    listed = root / "eval_modes" / f"test-{mode}.txt"
    if not listed.is_file() and (root / listed.name).is_file():
        listed = root / listed.name
    for line in _lines(listed, name, _SNU_FILM):
        # Published lists give paths from some root of their authors': what counts begins at "test/".
        paths = [Path(*parts[parts.index("test") if "test" in parts else 0 :]) for parts in map(_parts, line.split())]
        if len(paths) < 2:
            raise DatasetError(f"{name}: {listed} should list two or more frames a line, got {line!r}")
        yield f"{paths[0].parent.name}/{paths[0].stem}-{paths[-1].stem}", [root / path for path in paths]


def _parts(path: str) -> tuple[str, ...]:
    return Path(path).parts


def _snu_film_middle(root: Path, mode: str) -> Iterator[Sample]:
    name = f"snu-film-{mode}"
    for sample, (first, *middle, last) in _snu_film(root, name, mode):
        if len(middle) != 1:
            raise DatasetError(f"{name}: expected three frames a line, got {len(middle) + 2} for {sample}")
        yield Sample(name=sample, inputs=(first, last), targets=((Fraction(1, 2), middle[0]),))


def _snu_film_all(root: Path, mode: str) -> Iterator[Sample]:
    for sample, (first, *_, last) in _snu_film(root, f"snu-film-arb-{mode}", mode):
        start, steps = int(first.stem), int(last.stem) - int(first.stem)
        between = [first.with_name(f"{start + step:0{len(first.stem)}d}{first.suffix}") for step in range(1, steps)]
        targets = tuple((Fraction(step, steps), path) for step, path in enumerate(between, 1))
        yield Sample(name=sample, inputs=(first, last), targets=targets)


_XTEST = "test/<type>/<clip>/0000.png to 0032.png (or <type>/<clip>/ in the root)"


def _xtest(root: Path, transform: Transform) -> Iterator[Sample]:
    base = root / "test" if (root / "test").is_dir() else root
    for kind in _folders(base):
        for clip in _folders(kind):
            yield Sample(
                name=f"{kind.name}/{clip.name}",
                inputs=(clip / "0000.png", clip / "0032.png"),
                targets=tuple((Fraction(step, 8), clip / f"{4 * step:04d}.png") for step in range(1, 8)),
                transform=transform,
            )


_XIPH = "<clip>-001.png to <clip>-100.png for each clip, in the root or in netflix/"
_XIPH_CLIPS = (
    "BoxingPractice",
    "Crosswalk",
    "DrivingPOV",
    "FoodMarket",
    "FoodMarket2",
    "RitualDance",
    "SquareAndTimelapse",
    "Tango",
)


def _xiph(root: Path, transform: Transform) -> Iterator[Sample]:
    base = root / "netflix" if (root / "netflix").is_dir() else root
    for clip in _XIPH_CLIPS:
        for number in range(2, 99, 2):
            yield Sample(
                name=f"{clip}-{number:03d}",
                inputs=(base / f"{clip}-{number - 1:03d}.png", base / f"{clip}-{number + 1:03d}.png"),
                targets=((Fraction(1, 2), base / f"{clip}-{number:03d}.png"),),
                transform=transform,
            )


def _all() -> Iterator[Dataset]:
    yield Dataset(
        name="middlebury-other",
        title="Middlebury-Other",
        layout=_MIDDLEBURY,
        paper="Baker et al., IJCV 2011",
        list_samples=_middlebury,
    )
    yield Dataset(
        name="vimeo90k-triplet",
        title="Vimeo90K triplet",
        layout=_TRIPLET,
        paper="Xue et al., IJCV 2019",
        list_samples=_vimeo_triplet,
    )
    yield Dataset(
        name="vimeo90k-septuplet",
        title="Vimeo90K septuplet",
        layout=_SEPTUPLET,
        paper="Xue et al., IJCV 2019",
        list_samples=_vimeo_septuplet,
    )
    for masked in (False, True):
        yield Dataset(
            name="ucf101-masked" if masked else "ucf101",
            title="UCF101 within motion masks" if masked else "UCF101",
            layout=_UCF101,
            paper="Liu et al., ICCV 2017",
            list_samples=partial(_ucf101, masked=masked),
        )
    for mode in ("easy", "medium", "hard", "extreme"):
        yield Dataset(
            name=f"snu-film-{mode}",
            title=f"SNU-FILM {mode}",
            layout=_SNU_FILM,
            paper="Choi et al., AAAI 2020",
            list_samples=partial(_snu_film_middle, mode=mode),
        )
    for mode, factor in (("medium", 4), ("hard", 8), ("extreme", 16)):
        yield Dataset(
            name=f"snu-film-arb-{mode}",
            title=f"SNU-FILM-arb {mode} ({factor}x)",
            layout=_SNU_FILM,
            paper="Guo et al., NeurIPS 2024",
            list_samples=partial(_snu_film_all, mode=mode),
        )
    transforms: tuple[tuple[str, Transform], ...] = (("2k", "half"), ("4k", ""))
    for size, transform in transforms:
        yield Dataset(
            name=f"xtest-{size}",
            title=f"X-TEST {size.upper()} (8x)",
            layout=_XTEST,
            paper="Sim et al., ICCV 2021",
            list_samples=partial(_xtest, transform=transform),
        )
    crops: tuple[tuple[str, Transform], ...] = (("2k", "half"), ("4k", "centre"))
    for size, transform in crops:
        yield Dataset(
            name=f"xiph-{size}",
            title=f"Xiph {size.upper()}",
            layout=_XIPH,
            paper="Niklaus and Liu, CVPR 2020",
            list_samples=partial(_xiph, transform=transform),
        )
    yield from _sequences()


def _sequences() -> Iterator[Dataset]:
    whole: tuple[tuple[str, str, str, str, Callable[[Path], Iterator[Sample]]], ...] = (
        ("davis", "DAVIS 480p", sequences.DAVIS, "Perazzi et al., CVPR 2016", sequences.davis),
        ("gopro-8x", "GoPro (8x)", sequences.GOPRO, "Nah et al., CVPR 2017", sequences.gopro),
        ("adobe240-8x", "Adobe240 (8x)", sequences.ADOBE240, "Su et al., CVPR 2017", sequences.adobe240),
        ("vid4", "Vid4", sequences.VID4, "Liu and Sun, TPAMI 2014", sequences.vid4),
        ("atd12k", "ATD-12K", sequences.ATD12K, "Li et al., CVPR 2021", sequences.atd12k),
    )
    for name, title, layout, paper, list_samples in whole:
        yield Dataset(name=name, title=title, layout=layout, paper=paper, list_samples=list_samples)
    for speed in ("fast", "medium", "slow"):
        yield Dataset(
            name=f"vimeo90k-{speed}",
            title=f"Vimeo90K {speed} motion",
            layout=sequences.VIMEO_SPEED,
            paper="Xiang et al., CVPR 2020",
            list_samples=partial(sequences.vimeo_speed, speed=speed),
        )
    for every in (2, 4, 8):
        yield Dataset(
            name="videos" if every == 2 else f"videos-{every}x",
            title=f"videos, every {every}{'nd' if every == 2 else 'th'} frame kept",
            layout=sequences.VIDEOS,
            paper="your own",
            list_samples=partial(sequences.videos, every=every),
        )


DATASETS: Mapping[str, Dataset] = MappingProxyType({dataset.name: dataset for dataset in _all()})
"""The benchmarks by name. Xiph "4K" is the middle 2K of the 4K frames, as in the paper that introduced it."""
