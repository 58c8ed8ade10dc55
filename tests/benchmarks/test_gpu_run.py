"""The run on a GPU: it goes on after a crash and where the last call stopped, and works on a CPU in small."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GPU = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"

# A step of three units; the second ends the process, as a crash would.
STEPS = """
import json, os, sys
results = sys.argv[sys.argv.index("--results") + 1]
lines = [json.loads(line) for line in open(results)] if os.path.exists(results) else []
done = {line["unit"] for line in lines if not line.get("begun")}
for unit in ("a", "b", "c"):
    if unit in done:
        continue
    with open(results, "a") as file:
        print(json.dumps({"step": sys.argv[1], "unit": unit, "begun": True}), file=file)
    if unit == "b":
        os._exit(9)
    with open(results, "a") as file:
        print(json.dumps({"step": sys.argv[1], "unit": unit, "ok": True}), file=file)
"""


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", GPU / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loaded = module("run")
    (tmp_path / "steps.py").write_text(STEPS)
    monkeypatch.setattr(loaded, "HERE", tmp_path)
    return loaded


def ended(log: Any) -> dict[str, bool]:
    return {line["unit"]: line["ok"] for line in log.lines() if not line.get("begun")}


def test_goes_on_after_a_unit_that_crashed(run: ModuleType, tmp_path: Path) -> None:
    log = run.Log(tmp_path / "results.jsonl")
    run.run_step(run.Step("step", 60), log, [], {}, time.monotonic() + 60)
    assert ended(log) == {"a": True, "b": False, "c": True}
    assert run.report(log) == 1


def test_does_nothing_again(run: ModuleType, tmp_path: Path) -> None:
    log = run.Log(tmp_path / "results.jsonl")
    for _ in range(2):
        run.run_step(run.Step("step", 60), log, [], {}, time.monotonic() + 60)
    assert [line["unit"] for line in log.lines() if line.get("begun")] == ["a", "b", "c"]


def test_stops_when_the_time_is_over(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("import time; time.sleep(60)")
    log = run.Log(tmp_path / "results.jsonl")
    start = time.monotonic()
    run.run_step(run.Step("step", 5.5), log, [], {}, start + 60)
    assert time.monotonic() - start < 30
    assert log.lines() == []


def test_a_line_that_was_cut_short_is_left_out(run: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"step": "s", "unit": "a", "ok": true}\n{"step": "s", "un')
    assert len(run.Log(path).lines()) == 1


def test_runs_on_a_cpu_in_small(tmp_path: Path) -> None:
    command = [sys.executable, str(GPU / "run.py"), "--device", "cpu", "--small", "--out", str(tmp_path), "--limit"]
    subprocess.run([*command, "240", "--steps", "device", "networks", "operators"], check=True, timeout=280)
    report = module("report")
    units = report.read(tmp_path / "results.jsonl")
    assert {step for step, _ in units} == {"device", "networks", "operators"}
    assert all(figures["ok"] for figures in units.values())
    part = report.text(units)
    assert "backward_warp, RGB" in part
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.put(page, part) == f"before\n{report.BEGIN}\n{part}{report.END}\nafter\n"
    assert "old" not in report.put(page, part)


def test_the_page_has_the_place_for_figures() -> None:
    report = module("report")
    assert report.put(report.PAGE.read_text(), "figures\n").count("figures\n") >= 1
