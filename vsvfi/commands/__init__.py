"""The work behind the commands, one module a command; each is imported when its command is run."""

from __future__ import annotations

__all__: list[str] = []
