"""A Python process that runs pieces of code one after another: a crash or a hang is seen, and attributed."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TESTS = Path(__file__).resolve().parents[1]
PLUGINS = ("fade", "misbehaving")


@dataclass(frozen=True)
class Outcome:
    """What became of a piece of code: ``ok``, ``error``, ``crash`` or ``hang``."""

    kind: str
    text: str

    @property
    def is_one_line(self) -> bool:
        """Whether a user got a result, or one line that says what is wrong."""
        lines = self.text.strip().splitlines()
        ours = self.text.startswith("vsvfi.") or "Interpolate:" in self.text or "DetectScenes:" in self.text
        return self.kind == "ok" or (self.kind == "error" and len(lines) == 1 and ours)


class Child:
    """Runs code in a process that is started anew after a crash or a hang.

    The code sees ``vs``, ``core`` and what tests/clips.py offers; the value of ``result`` comes back as text.
    """

    def __init__(self, folder: Path, seconds: float = 60.0, **environment: str) -> None:
        self._folder = folder
        self._seconds = seconds
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *(str(TESTS / "plugins" / name) for name in PLUGINS)]),
            "VSVFI_PLUGINS": ",".join(PLUGINS),
            "VSVFI_DATA": str(folder / "data"),
            "PYTHONFAULTHANDLER": "1",
            **environment,
        }
        self._process: subprocess.Popen[str] | None = None

    def run(self, code: str) -> Outcome:
        """Run a piece of code."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(code) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._ended()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(self._seconds):
                process.kill()
                self._ended()
                return Outcome("hang", f"no answer within {self._seconds:g} s")
        line = process.stdout.readline()
        return Outcome(*json.loads(line)) if line else self._ended()

    def _start(self) -> subprocess.Popen[str]:
        with (self._folder / "stderr.txt").open("w") as errors:
            return subprocess.Popen(
                [sys.executable, "-u", Path(__file__).with_name("worker.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=self._environment,
            )  # fmt: skip

    def _ended(self) -> Outcome:
        assert self._process is not None
        code = self._process.wait(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Outcome("crash", f"{name}: {(self._folder / 'stderr.txt').read_text()[-2000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._ended()
