"""Hooks of the documentation: the list of models comes from the registry, their pages from docs/models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODELS = "<!-- models -->"
FOLDER = Path(__file__).parent / "models"


def _title(page: Path) -> str:
    heading = next((line for line in page.read_text().splitlines() if line.startswith("# ")), f"# {page.stem}")
    return heading.removeprefix("# ").strip()


def on_config(config: Any) -> Any:
    """Put the pages of docs/models below "Models", and pages that mkdocs.yml does not name at the end, by title."""
    pages = sorted(FOLDER.glob("*.md"), key=lambda page: _title(page).lower())
    children = [{"Overview": "models.md"}, *({_title(page): f"models/{page.name}"} for page in pages)]
    named = {page for entry in config["nav"] for page in entry.values()}
    others = [page for page in sorted(FOLDER.parent.glob("*.md")) if page.name not in named]
    background = [{"Background": [{_title(page): page.name} for page in others]}] if others else []
    config["nav"] = [{"Models": children} if "Models" in entry else entry for entry in config["nav"]] + background
    return config


def _page_of(name: str) -> str:
    """A link to the page that a model is on: of its own name, or of the family that its name begins with."""
    stems = sorted((path.stem for path in FOLDER.glob("*.md")), key=len, reverse=True)
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
