"""Every loader on a tiny folder laid out as the dataset is published, and on the same folder with a hole in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsvfi.commands.evaluate.datasets import DATASETS, DatasetError, load_image, load_mask

HALF = Fraction(1, 2)


def _images(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 4), (number, 0, 0)).save(path)


def _middlebury(root: Path) -> None:
    _images(
        root, "other-data/Venus/frame10.png", "other-data/Venus/frame11.png", "other-gt-interp/Venus/frame10i11.png"
    )


def _middlebury_merged(root: Path) -> None:
    _images(root, "Venus/frame10.png", "Venus/frame11.png", "Venus/frame10i11.png")


def _vimeo(count: int, listed: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        _images(root, *(f"sequences/00001/0389/im{number}.png" for number in range(1, count + 1)))
        (root / listed).write_text("00001/0389\n\n")

    return make


def _ucf101(root: Path) -> None:
    for folder in ("1", "11"):
        _images(
            root,
            *(f"ucf101_interp_ours/{folder}/{name}.png" for name in ("frame_00", "frame_01_gt", "frame_02")),
            f"motion_masks_ucf101_interp/{folder}/motion_mask.png",
        )


def _snu(mode: str, gap: int, folder: str = "") -> Callable[[Path], None]:
    def make(root: Path) -> None:
        clip = "test/GOPRO_test/GOPR0384_11_00"
        _images(root, *(f"{clip}/{number:06d}.png" for number in range(1, gap + 2)))
        frames = (1, 1 + gap // 2, 1 + gap)
        (root / folder).mkdir(exist_ok=True)
        line = " ".join(f"data/SNU-FILM/{clip}/{number:06d}.png" for number in frames)
        (root / folder / f"test-{mode}.txt").write_text(line + "\n")

    return make


def _xtest(root: Path) -> None:
    _images(root, *(f"test/Type1/TEST01_003_f0433/{number:04d}.png" for number in range(0, 33, 4)))


def _xiph(root: Path) -> None:
    clips = (
        "BoxingPractice",
        "Crosswalk",
        "DrivingPOV",
        "FoodMarket",
        "FoodMarket2",
        "RitualDance",
        "SquareAndTimelapse",
        "Tango",
    )
    root.mkdir(exist_ok=True)
    _images(root, "first.png")
    for clip in clips:
        for number in range(1, 101):
            (root / f"{clip}-{number:03d}.png").hardlink_to(root / "first.png")
    (root / "first.png").unlink()


def _sequence(
    *folders: str, names: str = "{:05d}.png", count: int = 9, lists: Mapping[str, str] | None = None
) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for folder in folders:
            _images(root, *(f"{folder}/{names.format(number)}" for number in range(1, count + 1)))
        for name, content in (lists or {}).items():
            (root / f"{name}.txt").write_text(content)

    return make


def _video(root: Path) -> None:
    import cv2

    writer = cv2.VideoWriter(str(root / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(9):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()


HALVES = [Fraction(1, 2), Fraction(3, 2), Fraction(5, 2)]
EIGHTHS = [Fraction(n, 8) for n in range(1, 8)]

CASES = {
    "davis": (_sequence("JPEGImages/480p/bear", names="{:05d}.jpg"), 4, 2, [HALF]),
    "gopro-8x": (_sequence("test/GOPR1", "test/GOPR2"), 2, 2, EIGHTHS),
    "adobe240-8x": (_sequence("frames/a", "frames/b", lists={"test_list": "frames/b\n"}), 1, 2, EIGHTHS),
    "vid4": (_sequence("GT/city", "GT/walk"), 8, 2, [HALF]),
    "atd12k": (_sequence("test_2k_540p/x", names="frame{}.jpg", count=3), 1, 2, [HALF]),
    **{
        f"vimeo90k-{speed}": (
            _sequence(
                "sequences/00001/0001", names="im{}.png", count=7, lists={f"sep_{speed}_testset": "00001/0001\n"}
            ),
            1,
            4,
            HALVES,
        )
        for speed in ("fast", "medium", "slow")
    },
    "videos": (_video, 1, 5, [Fraction(n, 2) for n in (1, 3, 5, 7)]),
    "videos-4x": (_video, 1, 3, [Fraction(n, 4) for n in (1, 2, 3, 5, 6, 7)]),
    "videos-8x": (_video, 1, 2, EIGHTHS),
    "middlebury-other": (_middlebury, 1, 2, [HALF]),
    "vimeo90k-triplet": (_vimeo(3, "tri_testlist.txt"), 1, 2, [HALF]),
    "vimeo90k-septuplet": (_vimeo(7, "sep_testlist.txt"), 1, 4, [Fraction(3, 2)]),
    "ucf101": (_ucf101, 2, 2, [HALF]),
    "ucf101-masked": (_ucf101, 2, 2, [HALF]),
    "snu-film-easy": (_snu("easy", 2), 1, 2, [HALF]),
    "snu-film-medium": (_snu("medium", 4, "eval_modes"), 1, 2, [HALF]),
    "snu-film-hard": (_snu("hard", 8), 1, 2, [HALF]),
    "snu-film-extreme": (_snu("extreme", 16), 1, 2, [HALF]),
    "snu-film-arb-medium": (_snu("medium", 4), 1, 2, [Fraction(n, 4) for n in range(1, 4)]),
    "snu-film-arb-hard": (_snu("hard", 8), 1, 2, [Fraction(n, 8) for n in range(1, 8)]),
    "snu-film-arb-extreme": (_snu("extreme", 16), 1, 2, [Fraction(n, 16) for n in range(1, 16)]),
    "xtest-2k": (_xtest, 1, 2, [Fraction(n, 8) for n in range(1, 8)]),
    "xtest-4k": (_xtest, 1, 2, [Fraction(n, 8) for n in range(1, 8)]),
    "xiph-2k": (_xiph, 8 * 49, 2, [HALF]),
    "xiph-4k": (_xiph, 8 * 49, 2, [HALF]),
}


def test_every_dataset_has_a_case() -> None:
    assert set(CASES) == set(DATASETS)


@pytest.mark.parametrize("name", CASES)
def test_published_layout_is_read(name: str, tmp_path: Path) -> None:
    make, count, inputs, times = CASES[name]
    make(tmp_path)
    samples = DATASETS[name].samples(tmp_path)
    assert len(samples) == count
    assert len({sample.name for sample in samples}) == count
    assert len(samples[0].inputs) == inputs
    assert [time for time, _ in samples[0].targets] == times
    assert not {path for _, path in samples[0].targets} & set(samples[0].inputs)


# What a folder holds is what there is to measure: nothing can be missing from it.
LISTED = [name for name in CASES if not name.startswith(("davis", "gopro", "adobe240", "vid4", "videos"))]


@pytest.mark.parametrize("name", LISTED)
def test_a_missing_image_is_named(name: str, tmp_path: Path) -> None:
    CASES[name][0](tmp_path)
    victim = DATASETS[name].samples(tmp_path)[0].targets[-1][1]
    assert isinstance(victim, Path)
    victim.unlink()
    with pytest.raises(DatasetError, match=f"{name}: missing .*{victim.name}.*; expected .*(png|jpg)"):
        DATASETS[name].samples(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vimeo90k-triplet", "tri_testlist.txt"),
        ("vimeo90k-septuplet", "sep_testlist.txt"),
        ("ucf101", "ucf101_interp_ours"),
        ("snu-film-hard", "test-hard.txt"),
        ("xiph-2k", "BoxingPractice-001.png"),
        ("xtest-2k", "no samples"),
        ("middlebury-other", "no samples"),
    ],
)
def test_an_empty_folder_is_refused_by_what_it_lacks(name: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=expected):
        DATASETS[name].samples(tmp_path)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no folder .*nowhere"):
        DATASETS["ucf101"].samples(tmp_path / "nowhere")


def test_middlebury_is_also_read_merged(tmp_path: Path) -> None:
    _middlebury_merged(tmp_path)
    (sample,) = DATASETS["middlebury-other"].samples(tmp_path)
    assert [path.name for path in sample.inputs] == ["frame10.png", "frame11.png"]


def test_middlebury_without_truth_is_named(tmp_path: Path) -> None:
    (tmp_path / "other-data").mkdir()
    with pytest.raises(DatasetError, match=r"missing .*other-gt-interp"):
        DATASETS["middlebury-other"].samples(tmp_path)


def test_septuplets_give_the_odd_frames(tmp_path: Path) -> None:
    CASES["vimeo90k-septuplet"][0](tmp_path)
    (sample,) = DATASETS["vimeo90k-septuplet"].samples(tmp_path)
    assert [path.name for path in sample.inputs] == ["im1.png", "im3.png", "im5.png", "im7.png"]
    assert sample.targets[0][1].name == "im4.png"


def test_ucf101_is_in_numerical_order_and_masked_only_on_demand(tmp_path: Path) -> None:
    _ucf101(tmp_path)
    assert [sample.name for sample in DATASETS["ucf101"].samples(tmp_path)] == ["1", "11"]
    assert DATASETS["ucf101"].samples(tmp_path)[0].mask is None
    mask = DATASETS["ucf101-masked"].samples(tmp_path)[0].mask
    assert mask is not None
    assert mask.name == "motion_mask.png"


def test_snu_film_lines_of_another_form_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test-easy.txt").write_text("test/a/000001.png test/a/000003.png\n")
    with pytest.raises(DatasetError, match="expected three frames a line, got 2"):
        DATASETS["snu-film-easy"].samples(tmp_path)
    (tmp_path / "test-easy.txt").write_text("test/a/000001.png\n")
    with pytest.raises(DatasetError, match="two or more frames a line"):
        DATASETS["snu-film-easy"].samples(tmp_path)


def test_transforms(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[1:3, 2:6] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (load_image(tmp_path / "a.png", "centre") == 200).all()
    assert load_image(tmp_path / "a.png", "centre").shape == (2, 4, 3)
    # each block of 2 x 2 in the middle columns has half of its pixels lit
    assert load_image(tmp_path / "a.png", "half")[..., 0].tolist() == [[0, 100, 100, 0], [0, 100, 100, 0]]
    assert load_mask(tmp_path / "a.png").sum() == 8
