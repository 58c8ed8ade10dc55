"""Three models that cross-fade. Imported to list the models: no torch here."""

from __future__ import annotations

from collections.abc import Iterable

from vsvfi.api import BackendInfo, Checkpoint, Layout, hookimpl

__all__ = ["INFOS", "vsvfi_backends"]

INFOS = (
    BackendInfo(
        name="cross-fade",
        summary="fades from one frame into the next, on native planes",
        backend="vsvfi_template.planes:CrossFade",
        planes=True,
    ),
    BackendInfo(
        name="cross-fade-torch",
        summary="fades from one frame into the next, as a torch model",
        backend="vsvfi_template.network:CrossFade",
    ),
    BackendInfo(
        name="learned-fade",
        summary="fades and corrects what it fades, with a small network",
        backend="vsvfi_template.learned:LearnedFadeBackend",
        build="vsvfi_template.learned:build",
        weights_license="MIT",
        # Where the weights are published, for `vsvfi weights get`; the first is the default.
        checkpoints=(
            Checkpoint(name="demo", file="learned-fade.pth", url="https://example.org/learned-fade.pth", license="MIT"),
        ),
        # How a published file is recognised by what it holds, and how its names become those of the network here.
        layouts=(
            Layout(
                has_all=("encoder.weight", "head.weight"),
                shapes=(("encoder.weight", (-1, 3, 3, 3)), ("head.weight", (3, -1, 3, 3))),
                rename=((r"^encoder\.", "features.0."), (r"^head\.", "correction.")),
            ),
        ),
    ),
)


@hookimpl
def vsvfi_backends() -> Iterable[BackendInfo]:
    """The models of this package."""
    return INFOS
