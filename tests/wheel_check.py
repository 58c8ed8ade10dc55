"""Uses an installed vsvfi as a user would: `vapoursynth config`, `vsvfi doctor`, and a script in vspipe.

Run with the Python of the environment that the wheel was installed into; needs nothing else. Writes VapourSynth's
configuration into a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
import vapoursynth as vs

clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=96, height=64, length=3, fpsnum=24, fpsden=1)
vs.core.vsvfi.Interpolate(clip, fps_num=60).set_output()
"""


def main() -> None:
    """Raise where something is not as it should be."""
    import vsvfi

    checkout = Path(__file__).resolve().parents[1]
    location = Path(vsvfi.__file__).resolve()
    assert checkout / "vsvfi" not in location.parents, f"this is the checkout, not the wheel: {location}"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CONFIG_HOME": folder, "APPDATA": folder, "VSVFI_DATA": folder}

        def run(*command: str) -> str:
            done = subprocess.run(
                [sys.executable, *command], capture_output=True, text=True, env=environment, cwd=folder, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
            return done.stdout + done.stderr

        run("-m", "vapoursynth", "config")
        doctor = run("-m", "vsvfi", "doctor")
        assert "core.vsvfi.Interpolate: makes a frame" in doctor, doctor
        script = Path(folder) / "script.vpy"
        script.write_text(SCRIPT)
        said = run("-c", "import sys, vapoursynth; sys.exit(vapoursynth.vspipe())", str(script), ".")
        assert "Output 8 frames" in said, said
        print(doctor)


if __name__ == "__main__":
    main()
