"""The versions of RIFE 4: a small table, and what it says about checkpoints.

Many versions are one network trained again, so that their checkpoints differ in numbers only: a user then has to
say which version a file is of (its published name says it too).
"""

from __future__ import annotations

from dataclasses import replace

from vsvfi.api import BackendInfo, Checkpoint, Layout
from vsvfi.nets.ifnet.architecture import Architecture, Head

__all__ = ["ARCHITECTURES", "INFOS", "NEWEST", "model_name"]


def _summary(architecture: Architecture) -> str:
    """What sets it apart, in a few words."""
    words = f"fast flow in {len(architecture.widths)} steps"
    if architecture.head:
        words += ", features of single frames"
    if architecture.fed_on:
        words += " and between steps"
    return words


def _layout(architecture: Architecture) -> Layout:
    """How a checkpoint of this network is recognised."""
    shapes: dict[str, tuple[int, ...]] = {
        f"block{index}.conv0.1.0.weight": (width, width // 2, 3, 3) for index, width in enumerate(architecture.widths)
    }
    absent = [f"block{len(architecture.widths)}.conv0.1.0.weight"]
    first = architecture.widths[0]
    if architecture.style == "residual":
        shapes["block0.convblock.0.conv.weight"] = (first, first // architecture.groups, 3, 3)
        shapes["block0.lastconv.0.weight"] = (first, 4 * architecture.outputs, 4, 4)
    else:
        shapes["block0.lastconv.weight"] = (first, architecture.outputs, 4, 4)
    if architecture.style == "prelu":
        shapes["block0.conv0.0.1.weight"] = (first // 2,)
    else:
        absent.append("block0.conv0.0.1.weight")
    if architecture.head:
        shapes[f"{architecture.head.last_layer}.weight"] = (architecture.head.width, architecture.head.channels, 4, 4)
    else:
        absent += ["encode.0.weight", "encode.cnn0.weight"]
    return Layout(
        has_all=(),
        has_none=tuple(absent),
        shapes=tuple(shapes.items()),
        rename=((r"^block(\d)\.", r"blocks.\1."), (r"^encode\.", "head.")),
        # Teachers and other networks of the training.
        ignore=(r"^(?!(block\d|encode)\.)",),
    )


_SAFETENSORS = "https://huggingface.co/Comfy-Org/frame_interpolation/resolve/main/frame_interpolation"

_LITE = (128, 96, 64, 48)
_FIVE = (192, 128, 96, 64, 32)
_FIVE_SCALES = (16, 8, 4, 2, 1)

ARCHITECTURES: dict[tuple[str, ...], Architecture] = {
    ("4.0", "4.1"): Architecture(style="prelu", outputs=5),
    ("4.2", "4.3", "4.4"): Architecture(style="leaky", outputs=5),
    ("4.5",): Architecture(outputs=5),
    ("4.6",): Architecture(),
    ("4.7", "4.8", "4.9"): Architecture(head=Head("linear", 16, 4)),
    ("4.10", "4.11", "4.12"): Architecture(head=Head("plain", 32, 8)),
    ("4.12.lite", "4.13.lite"): Architecture(head=Head("plain", 32, 4), widths=_LITE),
    ("4.13", "4.14", "4.15", "4.17", "4.18", "4.19", "4.24"): Architecture(head=Head("clamped", 32, 8)),
    ("4.14.lite",): Architecture(head=Head("clamped", 32, 8), groups=2),
    ("4.15.lite", "4.16.lite", "4.17.lite"): Architecture(head=Head("clamped", 16, 4), widths=_LITE),
    ("4.20",): Architecture(head=Head("clamped", 32, 8), widths=(384, 192, 96, 48)),
    ("4.21", "4.22", "4.23"): Architecture(head=Head("clamped", 32, 8), widths=(256, 192, 96, 48), outputs=13),
    ("4.22.lite",): Architecture(head=Head("clamped", 16, 4), widths=(192, 128, 64, 32), outputs=13),
    ("4.25", "4.26"): Architecture(head=Head("clamped", 16, 4), widths=_FIVE, scales=_FIVE_SCALES, outputs=13),
    ("4.25.lite",): Architecture(
        head=Head("clamped", 16, 4), widths=(192, 128, 96, 64, 24), scales=(32, 16, 8, 4, 1), outputs=13
    ),
    ("4.25.heavy",): Architecture(
        head=Head("clamped", 16, 4), widths=(384, 256, 192, 128, 64), scales=_FIVE_SCALES, outputs=13
    ),
    ("4.26.heavy",): Architecture(head=Head("clamped", 16, 16), widths=_FIVE, scales=_FIVE_SCALES, outputs=13),
}
"""The networks, by the versions that share them."""


def model_name(version: str) -> str:
    """The name of a version's model: ``4.25.lite`` is ``rife-4.25-lite``."""
    return "rife-" + version.replace(".lite", "-lite").replace(".heavy", "-heavy")


def _info(version: str, architecture: Architecture) -> BackendInfo:
    return BackendInfo(
        name=model_name(version),
        summary=f"RIFE {version}: {_summary(architecture)}",
        backend="vsvfi_rife.backend:RIFEBackend",
        build="vsvfi_rife.network:build",
        recipe=f"vsvfi.backends.recipe:{'one_by_one' if architecture.style == 'prelu' else 'recipe'}",
        title="Real-Time Intermediate Flow Estimation for Video Frame Interpolation",
        arxiv="2011.06294",
        code_license="MIT",
        weights_license="MIT",
        checkpoints=(
            Checkpoint(
                name="published",
                file=f"flownet_v{version}.pkl",
                url="https://github.com/HolyWu/vs-rife/releases",
                sources=(
                    f"https://github.com/HolyWu/vs-rife/releases/download/model/flownet_v{version}.pkl",
                    *((f"{_SAFETENSORS}/rife_v{version}.safetensors",) if version in ("4.25", "4.26") else ()),
                ),
                license="MIT",
            ),
        ),
        layouts=(_layout(architecture),),
        multiple=architecture.multiple,
        qualities=("balanced", "best") if architecture.ensembles else (),
        supports_flow_scale=True,
    )


INFOS = tuple(_info(version, architecture) for versions, architecture in ARCHITECTURES.items() for version in versions)

_NEWEST = next(info for info in INFOS if info.name == model_name("4.26"))

NEWEST = replace(_NEWEST, name="rife", summary=f"the newest: {_NEWEST.summary}", weights_of=_NEWEST.name)
"""The newest full version under the name that people try first."""
