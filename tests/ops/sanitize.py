"""Run the tests of the CPU kernels on a build of them under AddressSanitizer and UndefinedBehaviorSanitizer.

``python tests/ops/sanitize.py [PYTEST ARGUMENTS]``: needs g++ on Linux; takes some minutes. The memory of torch and
numpy comes from the sanitizer's allocator too, so that a read or a write beside any tensor is found. ``CXXFLAGS`` adds
to the compiler's options (``-march=x86-64-v3`` for the build that fast machines use).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
KERNELS = TESTS.parent / "kernels"
COVERED = ("ops/test_operators.py", "ops/test_values.py", "backends/test_flow.py", "filter/test_scenes.py")
FLAGS = [
    "-std=c++17",
    "-O1",
    "-g",
    "-Wno-psabi",
    "-fno-omit-frame-pointer",
    "-ffp-contract=off",
    "-fsanitize=address,undefined",
]
PLUGIN = """
import ctypes
from vsvfi.compiled import library
opened = ctypes.CDLL({library!r})
library.load = lambda: opened
"""
# Nine rows are warped into a tensor of eight.
OVERFLOW = """
import sanitized, torch
from vsvfi.ops._launch import Extent, launch
image, flow, output = torch.zeros(1, 1, 8, 8), torch.zeros(1, 2, 9, 8), torch.zeros(1, 1, 8, 8)
launch("backward_warp", Extent(1, 9, 8), image, flow, None, output, 1, 8, 8, 9, 8, 0, 1, dtype=torch.float32, variant=2)
"""


def main() -> int:
    """Build, see that an overflow is found, run the tests, and return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "kernels.so"
        options = [*FLAGS, *os.environ.get("CXXFLAGS", "").split(), "-shared", "-fPIC", "-pthread"]
        options += ["-fno-sanitize-recover=undefined", f"-I{KERNELS}"]
        subprocess.run(["g++", *options, *sorted(KERNELS.glob("*/*.cpp")), "-o", library], check=True)
        (Path(folder) / "sanitized.py").write_text(PLUGIN.format(library=str(library)))
        runtime = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": runtime.stdout.strip(),
            "PYTHONPATH": folder,
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "OMP_NUM_THREADS": "2",  # Scatters divide their targets into bands.
            "OMP_WAIT_POLICY": "PASSIVE",  # Torch's threads must not spin while the kernels' threads work.
            "VSVFI_EXAMPLES": "30",
        }
        check = subprocess.run([sys.executable, "-c", OVERFLOW], env=environment, capture_output=True, check=False)
        if b"heap-buffer-overflow" not in check.stderr:
            sys.exit(f"AddressSanitizer does not find a deliberate overflow:\n{check.stderr.decode()}")
        tests = [str(TESTS / name) for name in COVERED]
        command = [sys.executable, "-m", "pytest", "-p", "sanitized", "--capture=sys", "-q", *tests, *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
