"""Run the operators' tests with kernels built under AddressSanitizer and UndefinedBehaviorSanitizer.

``python tests/ops/sanitize.py``: needs g++ on Linux; takes some minutes. Torch's memory comes from the sanitizer's
allocator too, so that a read or a write beside any tensor is found.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KERNELS = HERE.parents[1] / "kernels"
FLAGS = ["-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-ffp-contract=off", "-fsanitize=address,undefined"]
PLUGIN = """
import ctypes, pytest
from vsvfi import native
opened = ctypes.CDLL({library!r})
native.library = lambda: opened
"""


def main() -> int:
    """Build, run, and return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "kernels.so"
        sources = sorted(path for path in KERNELS.glob("*.cpp") if "cpu.h" in path.read_text())
        shared = ["-shared", "-fPIC", "-fno-sanitize-recover=undefined", f"-I{KERNELS}", "-pthread"]
        subprocess.run(["g++", *FLAGS, *shared, *sources, "-o", library], check=True)
        (Path(folder) / "sanitized.py").write_text(PLUGIN.format(library=str(library)))
        runtime = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": runtime.stdout.strip(),
            "PYTHONPATH": folder,
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        tests = [HERE / "test_operators.py", HERE / "test_values.py"]
        command = [sys.executable, "-m", "pytest", "-p", "sanitized", "-q", *map(str, tests), *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
