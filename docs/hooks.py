"""Hooks of the documentation: the table of models comes from the registry, pages of folders go to the navigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODELS = "<!-- models -->"
DOCS = Path(__file__).parent


def _title(page: Path) -> str:
    heading = next((line for line in page.read_text().splitlines() if line.startswith("# ")), f"# {page.stem}")
    return heading.removeprefix("# ").strip()


def _pages(folder: Path) -> list[dict[str, str]]:
    """The pages of a folder as entries of the navigation, by title."""
    pages = sorted(folder.glob("*.md"), key=lambda page: _title(page).lower())
    return [{_title(page): page.relative_to(DOCS).as_posix()} for page in pages]


def _add(nav: list[dict[str, Any]], section: str, entries: list[dict[str, str]]) -> bool:
    """Append entries to the section of that name, wherever it is; whether there is one."""
    for entry in nav:
        for name, children in entry.items():
            if isinstance(children, list):
                if name == section:
                    children.extend(entries)
                    return True
                if _add(children, section, entries):
                    return True
    return False


def on_config(config: Any) -> Any:
    """Put the pages of docs/models and of docs/development into the sections of the navigation that are theirs."""
    for section, folder in (("Models", "models"), ("Development", "development")):
        if not _add(config["nav"], section, _pages(DOCS / folder)):
            raise ValueError(f"mkdocs.yml has no section {section}")
    return config


def _page_of(name: str) -> str:
    """A link to the page that a model is on: of its own name, or of the family that its name begins with."""
    stems = sorted((path.stem for path in (DOCS / "models").glob("*.md")), key=len, reverse=True)
    plain = name.replace(".", "-")
    stem = next((stem for stem in stems if plain == stem or plain.startswith((f"{stem}-", stem))), None)
    return f"[{name}](models/{stem}.md)" if stem else name


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Write the table of models where the page asks for it."""
    if MODELS not in markdown:
        return markdown
    from vsvfi.models import registry

    rows = ["| model | what it is | timesteps | frames | commercial use |", "|---|---|---|---|---|"]
    for info in registry.backends().values():
        timesteps = "any" if info.timesteps == "any" else "1/2, 1/4 ..."
        use = "yes" if info.commercial_use else "**no**"
        rows.append(f"| {_page_of(info.name)} | {info.summary} | {timesteps} | {len(info.window)} | {use} |")
    return markdown.replace(MODELS, "\n".join(rows))
