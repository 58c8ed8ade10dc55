"""`vsvfi train` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsvfi.commands import cli

SMALL = """
[model]
kernel_size = 1
channels = 8
synthesis_channels = 8
primed = true

[data]
crop = 32
margin = 8
workers = 0
textures = 2
texture_size = 64

[validation]
scenes = 1

[run]
steps = 2
batch = 1
device = "cpu"
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of ``vsvfi train ...``."""
    monkeypatch.setattr("sys.argv", ["vsvfi", "train", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_a_run_says_what_to_do_with_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that it prints adds the weights."""
    config = tmp_path / "run.toml"
    config.write_text(SMALL)
    out = tmp_path / "out"
    assert run(monkeypatch, "jnmr", "--config", str(config), "--out", str(out)) == 0
    said = "".join(capsys.readouterr().out.split())
    assert "finished(scenes" in said
    assert "".join(f"vsvfi weights add jnmr {out / 'last.safetensors'}".split()) in said
    assert (out / "last.safetensors").is_file()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no configuration"),
        ("[run]\nstep = 3", "unknown key run.step; did you mean run.steps?"),
        ('[data]\nphotos = "nothing"', "there are no images (png, jpg, webp, tif) in"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    message: str,
) -> None:
    """And the exit status is 1."""
    config = tmp_path / "run.toml"
    if content is not None:
        config.write_text(content)
    assert run(monkeypatch, "jnmr", "--config", str(config), "--out", str(tmp_path / "out")) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
