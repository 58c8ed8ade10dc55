"""Set up the checkout and run its jobs: ``python3 dev.py demo``, ``python3 dev.py lint`` or ``python3 dev.py test``.

Runs on Python 3.7 or later. It looks for 3.12 or later, makes ``.venv`` in the checkout and continues in there.
"""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
TEST_PARTS = [
    ["tests/parity"],
    ["tests/train", "plugins/vsvfi-rife/tests"],
    ["tests/ops", "tests/gpu"],
    ["tests", *("--ignore=tests/" + part for part in ("parity", "train", "ops", "gpu"))],
]

USAGE = """usage: python3 dev.py COMMAND

  demo [ARGS]   set up what the filter needs, then: vsvfi demo ARGS
  lint          set up everything, then: ruff check, ruff format --check, mypy
  test [ARGS]   the same as lint, then: pytest ARGS
  fuzz [ARGS]   random calls and damaged files until --minutes N are over (10 by default), with new seeds every time
  setup         set up everything
  gpu [ARGS]    check and measure on a GPU; --prepare makes a folder to carry to a machine without network,
                --carry DIR runs from such a folder with this Python (benchmarks/gpu/run.py says the rest)
"""


def is_new_enough(python: str) -> bool:
    """Whether this interpreter exists and is Python 3.12 or later."""
    check = "import sys; sys.exit(sys.version_info < (3, 12))"
    try:
        return subprocess.run([python, "-c", check], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def find_python() -> str:
    """The newest Python of at least 3.12 that runs here: this one, those on the PATH, pyenv's."""
    names = ["python3.14", "python3.13", "python3.12", "python3", "python"]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    candidates += sorted((str(path) for path in pyenv.glob("3.1[2-9]*/bin/python3")), reverse=True)
    for candidate in candidates:
        if is_new_enough(candidate):
            return candidate
    raise SystemExit(
        "vsvfi needs Python 3.12 or later; none was found on the PATH or under pyenv. Install one and try again."
    )


def run(*command: object, env: dict[str, str] | None = None) -> None:
    """Run a command in the checkout; stop with its exit status where it fails."""
    status = subprocess.run([str(part) for part in command], cwd=HERE, env=env, check=False).returncode
    if status:
        sys.exit(status)


def succeeds(*command: object) -> bool:
    """Whether a command in the checkout exits with 0."""
    return subprocess.run([str(part) for part in command], cwd=HERE, check=False).returncode == 0


def install(*arguments: str) -> None:
    """Install into .venv: with uv, which pip brings and which is many times faster, else with pip itself."""
    pip = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    uv = [str(PYTHON), "-m", "uv", "--quiet", "pip", "install", "--python", str(PYTHON)]
    if not (succeeds(*pip, "uv") and succeeds(*uv, *arguments)):
        print("uv cannot install this here; trying pip ...", flush=True)
        run(*pip, *arguments)


def set_up(extras: list[str]) -> None:
    """Make .venv, install the checkout (editable) with these extras, and tell vspipe about the environment."""
    if not is_new_enough(str(PYTHON)):
        print("Making .venv ...", flush=True)
        run(find_python(), "-m", "venv", "--clear", VENV)
    print("Installing into .venv ...", flush=True)
    install("--editable", "." + ("[{}]".format(",".join(extras)) if extras else ""))
    run(PYTHON, "-m", "vapoursynth", "config")


def environment() -> dict[str, str]:
    """This environment with .venv first on the PATH, so that vspipe and the tools are found."""
    return dict(os.environ, PATH=str(BIN) + os.pathsep + os.environ.get("PATH", ""))


def gpu(arguments: list[str]) -> None:
    """Prepare the run on a GPU, or do it: from a carried folder without .venv, which such a machine cannot make."""
    scripts = HERE / "benchmarks" / "gpu"
    if "--prepare" in arguments:
        set_up(["dev"])
        run(PYTHON, scripts / "prepare.py", *(argument for argument in arguments if argument != "--prepare"))
    else:
        run(sys.executable if "--carry" in arguments else PYTHON, scripts / "run.py", *arguments)


def fuzz(minutes: float) -> None:
    """Run the random tests again and again, each time with another seed, until the time is over or one fails."""
    end, rounds = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        seed = random.randrange(2**32)
        rounds += 1
        print(f"Round {rounds}, 500 calls and 100 files: --hypothesis-seed={seed}", flush=True)
        run(
            PYTHON, "-m", "pytest", "-q", "--timeout=0", "tests/fuzz", f"--hypothesis-seed={seed}",
            env=dict(environment(), VSVFI_FUZZ="500"),
        )  # fmt: skip
    print(f"{rounds} rounds: nothing found.")


def lint() -> None:
    """Check style, format and types of everything."""
    run(BIN / "ruff", "check", ".")
    run(BIN / "ruff", "format", "--check", ".")
    run(BIN / "mypy")


def main(arguments: list[str]) -> None:
    """Run one command of the usage text."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "demo":
        set_up([])
        run(BIN / "vsvfi", "demo", *rest, env=environment())
    elif command in ("lint", "test", "setup"):
        set_up(["dev"])
        if command != "setup":
            lint()
        if command == "test":
            # A process for each part: hundreds of networks in one process would share its memory and global state.
            for part in [[]] if rest else TEST_PARTS:
                run(PYTHON, "-m", "pytest", *part, *rest, env=environment())
    elif command == "fuzz":
        set_up(["dev"])
        fuzz(float(rest[1]) if rest[:1] == ["--minutes"] and len(rest) > 1 else 10)
    elif command == "gpu":
        gpu(rest)
    else:
        sys.exit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
