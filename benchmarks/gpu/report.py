"""Write what a run on a GPU measured into docs/performance.md: ``python benchmarks/gpu/report.py results.jsonl``.

The figures go between two markers of that page; the results themselves to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "performance.md"
BEGIN, END = "<!-- figures of benchmarks/gpu -->", "<!-- end of figures -->"


def read(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The last line of every finished unit, by step and unit."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line["step"], line["unit"]): line for line in lines if not line.get("begun")}


def text(units: dict[tuple[str, str], dict[str, Any]]) -> str:
    """The page's part, as Markdown."""
    return "\n".join([*_machine(units), *_rates(units), *_operators(units)])


def _machine(units: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    facts = units.get(("device", "facts"), {})
    failed = [f"{step}: {unit}" for (step, unit), figures in units.items() if not figures.get("ok")]
    place = f"{facts.get('gpu', 'no GPU: a trial run on a CPU')}, torch {facts.get('torch', 'unknown')}"
    if "driver" in facts:
        place += f", driver {facts['driver']}, CuPy {facts['cupy']}"
    yield f"{place}. {len(units) - len(failed)} of {len(units)} checks and measurements passed."
    if failed:
        yield f"Failed: {', '.join(failed)}."
    yield ""


def _rates(units: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    found = {unit: figures for (step, unit), figures in units.items() if step == "rates" and figures.get("ok")}
    if not found:
        return
    yield "New frames per second at factor 2; vs-rife from RGBH alone, and with the conversions of an 8-bit clip:"
    yield ""
    yield "| model | 1 stream | 2 streams | 3 streams | vs-rife, RGBH | vs-rife with conversions |"
    yield "|---|--:|--:|--:|--:|--:|"
    for unit, figures in found.items():
        if unit.startswith("vs-"):
            continue
        peer = found.get(f"vs-{unit}", {})
        values = [figures.get(f"streams {streams}") for streams in (1, 2, 3)]
        values += [peer.get("RGBH"), peer.get("with conversion")]
        yield f"| {unit} | {' | '.join('-' if value is None else f'{value:.1f}' for value in values)} |"
    yield ""


def _operators(units: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    found = {unit: figures for (step, unit), figures in units.items() if step == "operators" and figures.get("ok")}
    copy = found.pop("copy", None)
    if copy is None or not found:
        return
    bandwidth = copy["bytes per second"]
    yield f"Operators, where a copy moves {bandwidth / 1e9:.0f} GB/s (read and written):"
    yield ""
    yield "| operator | size | microseconds | MB at least | of the copy bandwidth |"
    yield "|---|---|--:|--:|--:|"
    for unit, figures in found.items():
        width, height = figures["size"]
        share = figures["bytes"] / figures["seconds"] / bandwidth
        size = f"{width}x{height} | {figures['seconds'] * 1e6:.0f} | {figures['bytes'] / 1e6:.0f}"
        yield f"| {unit} | {size} | {share:.0%} |"
    yield ""


def put(page: str, part: str) -> str:
    """The page with ``part`` between the markers."""
    pattern = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
    assert pattern.search(page), f"{PAGE.name} has no markers {BEGIN} and {END}"
    return pattern.sub(lambda found: found[1] + part + found[2], page)


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path)
    units = read(parser.parse_args().results)
    PAGE.write_text(put(PAGE.read_text(), text(units)))
    name = units.get(("device", "facts"), {}).get("gpu", "cpu").lower().replace(" ", "-")
    target = CHECKOUT / "benchmarks" / "results" / f"gpu-{name}.json"
    target.write_text(json.dumps(list(units.values()), indent=1) + "\n")
    print(f"{PAGE}\n{target}")


if __name__ == "__main__":
    main()
