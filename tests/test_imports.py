"""Modules import only what stands below them (docs/architecture.md), late imports included."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vsvfi"
RANKS = (
    ("__main__",),
    ("commands", "testing"),
    ("train",),
    ("filter",),
    ("engine",),
    ("backends",),
    ("nets",),
    ("models",),
    ("ops",),
    ("compiled",),
    ("timeline",),
    ("errors",),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
FACADES = ("vsvfi/__init__.py", "vsvfi/api.py")
"""They re-export what stands anywhere; nothing else of the package imports them, but for the version."""


def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, anywhere in it: ``vsvfi.ops.adacof``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if is_module(name) else node.module for name in names if name not in ("vsvfi.__version__",)}
    return {name for name in found if name.startswith("vsvfi.")}


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_of(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE.parent).as_posix() not in FACADES
}


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    room = module.split(".")[1]
    for name in imports(MODULES[module]):
        other = name.split(".")[1]
        assert room == other or RANK[room] < RANK[other], f"{module} imports {name}, which does not stand below it"


def test_the_facades_stand_above_all() -> None:
    """Only commands import the package itself, for its version and its folders."""
    below = [module for module in MODULES if RANK[module.split(".")[1]] > RANK["commands"]]
    importing = {
        module
        for module in below
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if (isinstance(node, ast.Import) and any(alias.name == "vsvfi" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in ("vsvfi", "vsvfi.api") and not imports_modules(node))
    }
    assert not importing


def imports_modules(node: ast.ImportFrom) -> bool:
    return node.module == "vsvfi" and all(is_module(f"vsvfi.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("vsvfi.backends.")])
def test_one_model_imports_no_other(module: str) -> None:
    models = {path.name for path in (PACKAGE / "backends").iterdir() if path.is_dir()}
    own = module.split(".")[2]
    others = {name.split(".")[2] for name in imports(MODULES[module]) if name.startswith("vsvfi.backends.")}
    assert not (others & models) - {own}


def test_the_page_shows_these_ranks() -> None:
    """Every folder of the diagram in docs/architecture.md, from top to bottom, with those that share a line."""
    diagram = (PACKAGE.parent / "docs" / "architecture.md").read_text().split("```text")[1].split("```")[0]
    rooms = [re.match(r"  ([a-z]+)(?:  ([a-z]+))?(?:    |$)", line) for line in diagram.splitlines()]
    drawn = [tuple(filter(None, room.groups())) for room in rooms if room is not None and room[1] != "folder"]
    assert drawn == [rank for rank in RANKS if rank != ("__main__",)]
    assert all((PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file() for rank in drawn for room in rank)


def test_every_folder_has_a_rank() -> None:
    rooms = {module.split(".")[1] for module in MODULES if module != "vsvfi"}
    assert rooms <= RANK.keys()


def test_no_circles() -> None:
    arrows = {module: {name for name in imports(path) if name in MODULES} for module, path in MODULES.items()}
    while leaves := {module for module, targets in arrows.items() if not targets & arrows.keys() - {module}}:
        for leaf in leaves:
            del arrows[leaf]
    assert not arrows, f"these import one another: {', '.join(sorted(arrows))}"
