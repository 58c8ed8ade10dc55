"""Several cores and script environments in one process, freed in any order, leave nothing behind."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

SCRIPT = """
import gc, sys
import vapoursynth as vs

class Policy(vs.EnvironmentPolicy):
    def __init__(self):
        self.current, self.living = None, set()
    def on_policy_registered(self, api):
        self.api = api
    def on_policy_cleared(self):
        pass
    def get_current_environment(self):
        return self.current
    def set_environment(self, environment):
        before, self.current = self.current, environment
        return before
    def is_alive(self, environment):
        return environment in self.living

policy = Policy()
vs.register_policy(policy)
environments = [policy.api.create_environment() for _ in range(3)]
policy.living.update(environments)
clips = []
for environment in environments:
    with policy.api.wrap_environment(environment).use():
        clip = vs.core.std.BlankClip(width=64, height=64, length=20)
        clips.append(vs.core.vsvfi.Interpolate(clip, factor=3))
for environment, clip in zip(environments, clips):
    with policy.api.wrap_environment(environment).use():
        for n in (1, 5, 2):
            clip.get_frame(n).close()
del clip
for number in map(int, sys.argv[1]):
    clips[number] = None
    gc.collect()
    policy.living.discard(environments[number])
    policy.api.destroy_environment(environments[number])
print("all freed")
"""


@pytest.mark.parametrize("order", ["".join(order) for order in itertools.permutations("012")][::2])
def test_environments_are_freed_in_any_order(order: str) -> None:
    command = [sys.executable, "-X", "dev", "-c", SCRIPT, order]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (0, "all freed\n"), done.stderr
    assert "vsvfi" not in done.stderr
    assert "framebuffers" not in done.stderr


def test_a_clip_alive_at_exit_leaves_no_warning() -> None:
    code = (
        "import vapoursynth as vs\n"
        "clip = vs.core.vsvfi.Interpolate(vs.core.std.BlankClip(width=64, height=64, length=9), factor=2)\n"
        "frame = clip.get_frame(3)\n"
        "frame.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
