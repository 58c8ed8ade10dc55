"""Layouts of checkpoints that hold one network inside another."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nested", "nested_rename", "nested_shapes"]


def nested(names: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Patterns or names of a network, as they read where it is saved with ``prefix`` before every name."""
    return tuple(f"^{prefix}{name[1:]}" if name.startswith("^") else prefix + name for name in names)


def nested_shapes(
    shapes: Iterable[tuple[str, tuple[int, ...]]], prefix: str
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """`Layout.shapes` of a network, where it is saved with ``prefix`` before every name."""
    return tuple((prefix + name, shape) for name, shape in shapes)


def nested_rename(rules: Iterable[tuple[str, str]], published: str, ours: str) -> tuple[tuple[str, str], ...]:
    """`Layout.rename` of a network, where its names begin with the regex ``published``, and with ``ours`` in ours.

    Every pattern of ``rules`` must begin with ``^``.
    """
    inner = [(f"^{published}{pattern.removeprefix('^')}", ours + replacement) for pattern, replacement in rules]
    return (*inner, (f"^{published}", ours))
