"""Check and measure vsvfi on a GPU within a time limit: ``python3 dev.py gpu [--carry DIR]``.

Needs the standard library only. Each step runs in a process of its own (steps.py) and appends a line of JSON for each
of its units to ``results.jsonl``; a unit that crashed is recorded and the step goes on after it. What is in
``results.jsonl`` already (in the output folder, or in the carried one) is not done again, so that calling this again
goes on from there. Checks run side by side; measurements follow, one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
RESULTS = "results.jsonl"


class Step(NamedTuple):
    """A step of steps.py: how long it may take in seconds, and whether it needs the machine to itself."""

    name: str
    limit: float
    alone: bool = False


# The first to start are those that would explain the others' failures.
STEPS = (
    Step("device", 60, alone=True),
    Step("tests", 200),
    Step("networks", 300),
    Step("filter", 150),
    Step("memory", 90),
    Step("plain", 90),
    Step("operators", 100, alone=True),
    Step("rates", 300, alone=True),
    Step("sanitizer", 150, alone=True),
)
SIDE_BY_SIDE = 4


class Log:
    """The results' file: read at the start, appended to by the steps, and by this program for what crashed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def lines(self) -> list[dict[str, Any]]:
        """Every line; a last one that was cut short is left out."""
        found = []
        for line in self.path.read_text().splitlines() if self.path.is_file() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def unfinished(self, step: str) -> list[str]:
        """Units that were begun and never ended."""
        begun = dict.fromkeys(line["unit"] for line in self.lines() if line["step"] == step and line.get("begun"))
        ended = {line["unit"] for line in self.lines() if line["step"] == step and not line.get("begun")}
        return [unit for unit in begun if unit not in ended]

    def add(self, **line: Any) -> None:
        """Append a line."""
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def install(wheels: Path, site: Path) -> None:
    """Unpack the carried wheels into ``site``; where ours does not run here, build it from the checkout."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"]
    shutil.rmtree(site, ignore_errors=True)
    subprocess.run([*pip, "--target", str(site), *map(str, sorted(wheels.glob("*.whl")))], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    loads = "from vsvfi.compiled import library; import vapoursynth as vs; vs.core.vsvfi; assert not library.problem()"
    command = [sys.executable, "-P", "-c", loads]
    if subprocess.run(command, env=environment, cwd=site, check=False).returncode == 0:
        return
    print("the carried wheel does not run here; building it from the checkout ...", flush=True)
    built = site / "built"
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "-w", str(built), str(CHECKOUT)], check=True, env=environment)
    others = [path for path in sorted(wheels.glob("*.whl")) if not path.name.startswith("vsvfi-")]
    both = [*map(str, others), *map(str, built.glob("*.whl"))]
    subprocess.run([*pip, "--upgrade", "--target", str(site), *both], check=True)


def run_step(step: Step, log: Log, arguments: list[str], environment: dict[str, str], deadline: float) -> None:
    """Run a step until it is done; again after a crash, without the unit that crashed."""
    end = min(deadline, time.monotonic() + step.limit)
    command = [sys.executable, "-P", str(HERE / "steps.py"), step.name, "--results", str(log.path), *arguments]
    while (left := end - time.monotonic()) > 5:
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            print(f"{step.name}: its time is over; what it lacks is done by the next call", flush=True)
            return
        if done.returncode == 0:
            print(f"{step.name}: done", flush=True)
            return
        crashed = log.unfinished(step.name) or [""]
        tail = (done.stdout + done.stderr)[-2000:]
        for unit in crashed:
            log.add(step=step.name, unit=unit, ok=False, error=f"the process ended with {done.returncode}", tail=tail)
        print(f"{step.name}: ended with {done.returncode} in {crashed[0] or 'its start'}\n{tail}", flush=True)
        if crashed == [""]:
            return


def report(log: Log) -> int:
    """Print what failed and how much was done; the exit status."""
    ended = [line for line in log.lines() if not line.get("begun")]
    failed = [line for line in ended if not line.get("ok")]
    for line in failed:
        print(f"FAILED {line['step']}: {line['unit']}: {line.get('error', '')[-500:]}")
    print(f"{len(ended)} units done, {len(failed)} failed; {log.path}")
    return 1 if failed else 0


def main() -> int:
    """Run what is still to be done, until the time is over."""
    parser = argparse.ArgumentParser(prog="dev.py gpu", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--carry", type=Path, help="the folder that --prepare made: install from its wheels")
    parser.add_argument("--out", type=Path, help="where results go; by default $OUT, or the carried folder")
    parser.add_argument("--limit", type=float, default=560, help="seconds, all in all")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="small sizes and few networks: to try this itself")
    parser.add_argument("--steps", nargs="*", default=[step.name for step in STEPS], help="only these")
    parser.add_argument("--units", default="", help="only the units whose name contains this")
    given = parser.parse_args()
    deadline = time.monotonic() + given.limit
    carry = given.carry.resolve() if given.carry else None
    out = (given.out or Path(os.environ.get("OUT") or carry or CHECKOUT / ".gpu")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    log = Log(out / RESULTS)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "4"}
    if carry:
        if not log.path.exists() and (carry / RESULTS).is_file():
            shutil.copyfile(carry / RESULTS, log.path)
        site = Path(os.environ.get("TMPDIR", "/tmp")) / "vsvfi-gpu-site"
        install(carry / "wheels", site)
        environment["PYTHONPATH"] = str(site)
        environment["VSVFI_PARITY_DIR"] = str(carry / "parity")
    arguments = ["--device", given.device, "--units", given.units, *["--small"] * given.small]

    def run(step: Step) -> None:
        run_step(step, log, arguments, environment, deadline)

    chosen = [step for step in STEPS if step.name in given.steps]
    if chosen:
        first, *rest = chosen
        run(first)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(run, [step for step in rest if not step.alone]))
        for step in rest:
            if step.alone:
                run(step)
    return report(log)


if __name__ == "__main__":
    sys.exit(main())
