"""``python -m vsvfi`` is the `vsvfi` command."""

from __future__ import annotations

from vsvfi.commands.cli import main

__all__: list[str] = []

main()
