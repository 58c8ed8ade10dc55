"""Plugins: how they are found, pinned and traced, and what happens to those that are broken."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vsvfi.models import registry

MISFITS = Path(__file__).parents[1] / "plugins" / "misfits"

type Pin = Callable[..., None]


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pin]:
    """Makes the plugins of tests/plugins/misfits installed ones, and the named plugins those to load."""
    monkeypatch.syspath_prepend(MISFITS)

    def pin(*names: str) -> None:
        monkeypatch.setenv("VSVFI_PLUGINS", ",".join(names))
        registry.reload()

    yield pin
    registry.reload()


def test_built_in_models_come_through_the_hook(pin: Pin) -> None:
    pin()
    assert "flow" in registry.backends()
    assert {registry.origin(name) for name in registry.backends()} == {"built-in", "rife"}
    assert list(registry.backends()) == sorted(registry.backends())
    assert registry.problems() == ()
    with pytest.raises(TypeError):
        registry.backends()["other"] = registry.find("flow")  # type: ignore[index]


def test_third_party_models_appear_beside_the_built_in_ones(pin: Pin) -> None:
    pin("sound")
    assert registry.origin("sound") == "sound"
    # A class may be returned in place of its description.
    assert registry.find("sound-class").backend == "vsvfi_misfits:Backend"
    assert registry.origin("flow") == "built-in"
    assert registry.problems() == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("misfit-dependency", "ModuleNotFoundError: No module named 'a_package_that_nobody_has'"),
        ("misfit-hook", "RuntimeError: the hook failed"),
        ("misfit-import", "ZeroDivisionError: at import"),
        (
            "misfit-kind",
            "TypeError: vsvfi_backends must return BackendInfo objects or classes with a BackendInfo as attribute "
            "'info', got 'not-a-backend'",
        ),
        ("misfit-missing", "AttributeError: module 'vsvfi_misfits' has no attribute 'nothing_of_this_name'"),
        ("not-there", "pinned by VSVFI_PLUGINS but not installed"),
    ],
)
def test_broken_plugin_is_named_and_skipped(pin: Pin, name: str, reason: str) -> None:
    pin(name, "sound")
    with pytest.warns(UserWarning, match=f"vsvfi: plugin '{name}' was skipped: ") as warned:
        models = registry.backends()
    assert len(warned) == 1
    assert registry.problems() == (registry.PluginProblem(name, reason),)
    assert {"flow", "sound", "sound-class"} <= set(models)
    assert "never-seen" not in models


def test_name_clash_leaves_the_first_and_the_others(pin: Pin) -> None:
    pin("misfit-clash")
    with pytest.warns(UserWarning, match="'misfit-clash' was skipped: model 'flow' is already provided by 'built-in'"):
        models = registry.backends()
    assert registry.origin("flow") == "built-in"
    assert models["flow"].backend.startswith("vsvfi.")
    assert registry.origin("beside-the-clash") == "misfit-clash"


def test_plugins_are_loaded_once(pin: Pin) -> None:
    pin("misfit-import")
    with pytest.warns(UserWarning, match="at import"):
        first = registry.backends()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.backends() is first


def test_unknown_model_names_the_three_that_are_closest_and_case_does_not_matter(pin: Pin) -> None:
    pin("sound")
    with pytest.raises(registry.UnknownModelError) as caught:
        registry.find("Soundclass")
    text = str(caught.value)
    assert text.startswith("unknown model 'Soundclass'; closest: sound-class, sound, ")
    assert text.count(", ") == 2
    assert registry.find("Sound-Class").name == "sound-class"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the test plugins installed."""
    full = {**os.environ, "PYTHONPATH": str(MISFITS), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=full, check=True)


def test_tracing_tells_what_is_loaded_and_what_it_brings() -> None:
    code = "from vsvfi.models import registry; registry.backends()"
    traced = run(code, VSVFI_PLUGINS="sound", VSVFI_TRACE_PLUGINS="1").stderr
    assert "vsvfi plugins: sound: load vsvfi_misfits:sound of vsvfi-misfits 1.0\n" in traced
    assert "vsvfi plugins: sound: vsvfi_backends returns sound, sound-class\n" in traced
    assert "vsvfi plugins: misfit-hook: left out, VSVFI_PLUGINS is 'sound'\n" in traced
    assert run(code, VSVFI_PLUGINS="sound").stderr == ""


def test_listing_models_imports_neither_torch_nor_opencv_nor_a_network() -> None:
    code = (
        "import sys; from vsvfi.models import registry, weights; registry.backends(); weights.networks(); "
        "print(*(name for name in sys.modules if name in ('torch', 'cv2') or name.endswith('.network')))"
    )
    assert run(code, VSVFI_PLUGINS="").stdout.strip() == ""


def test_one_model_imports_no_other() -> None:
    code = (
        "import sys; from vsvfi.models import registry; from vsvfi.models.info import load_object; "
        "info = registry.find('ifrnet'); load_object(info.build); load_object(info.backend); "
        "print(*sorted(name for name in sys.modules if name.startswith('vsvfi.backends.') and name.count('.') > 2))"
    )
    imported = run(code, VSVFI_PLUGINS="").stdout.split()
    assert imported == ["vsvfi.backends.ifrnet.backend", "vsvfi.backends.ifrnet.network"]
