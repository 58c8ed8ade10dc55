"""Reading of training configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vsvfi.train.config import Config, ConfigError, as_dict, load_config, parse_config

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_configs_of_the_repository_are_valid(path: Path) -> None:
    """Every configuration that ships can be read."""
    assert isinstance(load_config(path), Config)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"run": {"step": 5}}, r"unknown key run\.step; did you mean run\.steps\?"),
        ({"colour": {}}, r"unknown key colour; known are model, data"),
        ({"run": {"steps": "many"}}, r"run\.steps must be a int, got 'many'"),
        ({"run": {"steps": True}}, r"run\.steps must be a int, got True"),
        ({"run": {"steps": 0}}, r"run\.steps must be between 1 and 1e\+09, got 0"),
        ({"run": {"precision": "fp8"}}, r"run\.precision must be one of 'fp32', 'bf16', 'fp16', got 'fp8'"),
        ({"run": 3}, r"run must be a table, got 3"),
        ({"model": 3}, r"model must be a table, got 3"),
        ({"data": {"scenes": 0.5}}, r"data\.footage must list videos"),
        ({"data": {"strides": [1]}}, r"data\.strides must be 2 or more, got \[1\]"),
        ({"data": {"any_timestep": False, "strides": [2, 3]}}, r"data\.strides must be even when .*, got \[2, 3\]"),
        ({"data": {"footage": "a.mp4"}}, r"data\.footage must be a list, got 'a\.mp4'"),
    ],
)
def test_mistakes_are_named(content: dict[str, Any], message: str) -> None:
    """A wrong key or value is an error that says which, and what is allowed."""
    with pytest.raises(ConfigError, match=message):
        parse_config(content)


def test_a_whole_number_is_taken_for_a_fraction() -> None:
    """TOML tells 1 from 1.0; users do not."""
    assert parse_config({"data": {"scenes": 1}}).data.scenes == 1.0


def test_what_a_checkpoint_stores_can_be_read_back() -> None:
    """A configuration survives the way through plain tables."""
    config = parse_config({"model": {"channels": 8}, "run": {"seed": 5}})
    assert parse_config(as_dict(config)) == config


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A configuration can be moved together with its data."""
    path = tmp_path / "run.toml"
    path.write_text('[data]\nphotos = "photos"\nfootage = ["a.mp4"]\n')
    config = load_config(path)
    assert config.data.photos == str(tmp_path / "photos")
    assert config.data.footage == (str(tmp_path / "a.mp4"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no configuration"), ("run = ", "not valid TOML"), ("a = 1", "unknown key a")],
)
def test_bad_files_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    """The error names the file."""
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(path)
    assert str(path) in str(error.value)
