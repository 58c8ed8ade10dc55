"""Data sets in the layouts in which they are published."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_footage import shot, write

from vsvfi.models.settings import ConfigError
from vsvfi.train.config import Config, load_config, parse_config
from vsvfi.train.data import Needs, Samples
from vsvfi.train.sequences import LAYOUTS, images_in, pick, read_set

FOUR = Needs((-1, 0, 1, 2))


def put(folder: Path, names: list[str], seed: int = 0) -> None:
    """A pan as image files, 4 pixels a frame."""
    folder.mkdir(parents=True)
    for name, picture in zip(names, shot(seed, len(names)), strict=True):
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[..., ::-1]))


def numbered(count: int) -> list[str]:
    return [f"im{number}.png" for number in range(1, count + 1)]


def make(root: Path, layout: str) -> Path:
    """A data set of two training sequences, and one that is not for training, in a layout."""
    if layout.startswith("vimeo90k"):
        count = 3 if layout.endswith("triplet") else 7
        for name in ("00001/0001", "00001/0002", "00002/0001"):
            put(root / "sequences" / name, numbered(count))
        (root / f"{'tri' if count == 3 else 'sep'}_trainlist.txt").write_text("00001/0001\n00002/0001\n\n")
    elif layout == "x4k1000fps":
        for name in ("train/002/occ1", "train/003/occ2", "test/Type1/clip"):
            put(root / name, [f"{k:04d}.png" for k in range(9)])
    elif layout == "gopro":
        for name in ("train/GOPR1", "train/GOPR2", "test/GOPR3"):
            put(root / name, [f"{k:06d}.png" for k in range(9)])
    elif layout == "adobe240":
        for name in ("frames/a", "frames/b", "frames/c"):
            put(root / name, [f"{k}.png" for k in range(12)])
        (root / "train_list.txt").write_text("frames/a\nframes/b\n")
    elif layout == "atd12k":
        for name in ("train_10k/a", "train_10k/b", "test_2k_540p/c"):
            put(root / name, [f"frame{k}.png" for k in range(1, 4)])
    else:
        for name in ("one", "two/inner"):
            put(root / name, [f"{k}.png" for k in range(12)])
    return root


def config(**data: Any) -> Config:
    """Samples of data sets alone."""
    small = {"crop": 32, "workers": 0, "textures": 1, "texture_size": 64, "scenes": 0.0, "repeat_outer": 0.0}
    return parse_config({"data": small | data, "run": {"steps": 8, "batch": 1}})


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_layouts(tmp_path: Path, layout: str) -> None:
    """Two sequences are for training, in the order of time, and give samples whose target lies in the middle."""
    found = read_set(f"{layout}:{make(tmp_path, layout)}")
    assert len(found.sequences) == 2
    for files in found.sequences:
        numbers = [int("".join(c for c in path.stem if c.isdecimal())) for path in files]
        assert numbers == sorted(numbers)
    samples = Samples(config(sets=[f"{layout}:{tmp_path}"], any_timestep=False), Needs(), tmp_path / "cache")
    for index in range(4):
        sample = samples[index]
        assert sample.frames.shape == (2, 3, 32, 32)
        assert sample.timestep == 0.5
        apart = (sample.frames[0] - sample.frames[1]).abs().mean()
        assert (sample.frames[0] - sample.target).abs().mean() < apart


def test_triplets_serve_a_model_of_four_frames(tmp_path: Path) -> None:
    """The outer frames repeat the inner ones, as at a cut."""
    make(tmp_path, "vimeo90k-triplet")
    sets = [f"vimeo90k-triplet:{tmp_path}"]
    sample = Samples(config(sets=sets, any_timestep=False), FOUR, tmp_path / "cache")[0]
    assert (sample.frames[0] == sample.frames[1]).all()
    assert (sample.frames[2] == sample.frames[3]).all()
    assert not (sample.frames[1] == sample.frames[2]).all()


def test_pick() -> None:
    """Of seven frames, four at a stride of two and the middle one: the protocol of Vimeo-90K septuplets."""
    rng = np.random.default_rng(0)
    assert pick(rng, 7, (-1, 0, 1, 2), [2], any_timestep=False) == ([0, 2, 4, 6, 3], 1, 2)
    assert pick(rng, 3, (0, 1), [2, 8], any_timestep=False) == ([0, 2, 1], 1, 2)
    assert pick(rng, 2, (0, 1), [2], any_timestep=False) is None
    times = {pick(rng, 33, (0, 1), [8], any_timestep=True)[1] for _ in range(200)}  # type: ignore[index]
    assert times == set(range(1, 8))


def test_images_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    put(tmp_path / "frames", ["10.png", "9.png", "100.png"])
    assert [path.name for path in images_in(tmp_path / "frames")] == ["9.png", "10.png", "100.png"]


def test_damaged_files_are_named_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An image in a sequence, a video in a folder; the rest is used."""
    make(tmp_path / "set", "vimeo90k-triplet")
    bad = tmp_path / "set" / "sequences" / "00001" / "0001" / "im2.png"
    bad.write_bytes(b"no image")
    videos = tmp_path / "videos"
    videos.mkdir()
    write(videos / "good.avi", shot(1, 12))
    (videos / "bad.mp4").write_bytes(b"this is no video" * 100)
    data = {"sets": [f"vimeo90k-triplet:{tmp_path / 'set'}"], "footage": [str(videos)], "any_timestep": False}
    with caplog.at_level(logging.WARNING):
        samples = Samples(config(**data), Needs(), tmp_path / "cache")
        assert len([samples[index] for index in range(40)]) == 40
    assert f"skipped: {bad} is damaged" in caplog.text
    assert "bad.mp4 cannot be decoded" in caplog.text


def test_a_set_without_a_usable_sequence(tmp_path: Path) -> None:
    """Damaged throughout, or smaller than the crops."""
    make(tmp_path, "folders")
    samples = Samples(config(sets=[f"folders:{tmp_path}"], crop=128), Needs(), tmp_path / "cache")
    with pytest.raises(ConfigError, match="no sequence of folders can be used: 2 were tried"):
        samples[0]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("vimeo90k", r"data\.sets must be like 'vimeo90k-triplet:FOLDER', got 'vimeo90k'; layouts: .*gopro"),
        ("vimeo90k-triplet:{0}", r"there is no list .*tri_trainlist\.txt"),
        ("gopro:{0}", r"there is no folder .*train"),
        ("atd12k:{0}", r"there is no folder .*train_10k"),
        ("folders:{0}/none", r"there is no folder .*none"),
        ("folders:{0}", r"there are no sequences of three images or more of folders"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, description: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_set(description.format(tmp_path))


def test_channels_change_places(tmp_path: Path) -> None:
    """All frames of a sample alike."""
    make(tmp_path, "folders")
    plain, shuffled = (
        Samples(config(sets=[f"folders:{tmp_path}"], shuffle_channels=on), Needs(), tmp_path / "cache")
        for on in (False, True)
    )
    orders = set()
    for index in range(8):
        a, b = plain[index], shuffled[index]
        order = [next(k for k in range(3) if (a.target[k] == b.target[c]).all()) for c in range(3)]
        assert (a.frames[:, order] == b.frames).all()
        orders.add(tuple(order))
    assert len(orders) > 1


def test_paths_of_sets_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsets = ["gopro:data/gopro"]\n')
    assert load_config(path).data.sets == (f"gopro:{tmp_path / 'data/gopro'}",)
