"""The `vsvfi` command."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Video frame interpolation for VapourSynth.")


@app.callback()
def main_options() -> None:
    """Video frame interpolation for VapourSynth."""


def main() -> None:
    """Entry point of the console script."""
    app()
