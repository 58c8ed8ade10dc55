"""IFNet, the network of RIFE 4, as its checkpoints say it is."""

from __future__ import annotations

from dataclasses import replace

from vsvfi.api import Shapes
from vsvfi.nets.ifnet.architecture import Architecture, Head
from vsvfi.nets.ifnet.network import FramePair, IFNet
from vsvfi_rife.versions import ARCHITECTURES, NEWEST, model_name

__all__ = ["FLOW_HEADS", "FramePair", "IFNet", "build", "create", "example", "read_architecture"]

FLOW_HEADS = (r"^blocks\.\d\.lastconv\.",)


def _read_head(shapes: Shapes) -> Head | None:
    for kind in ("clamped", "plain", "linear"):
        last = shapes.get(f"{Head(kind, 0, 0).last_layer.replace('encode', 'head')}.weight")
        if last is not None and len(last) == 4 and last[2] == 4:
            return Head(kind, last[0], last[1])
    return None


def _usual_scales(count: int) -> tuple[int, ...]:
    return tuple(2**index for index in reversed(range(count)))


def read_architecture(shapes: Shapes) -> Architecture:
    """The architecture of a state dict (in our names) from its shapes."""
    residual = "blocks.0.convblock.0.conv.weight" in shapes
    count = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    widths = tuple(shapes[f"blocks.{index}.conv0.1.0.weight"][0] for index in range(count))
    conv = shapes["blocks.0.convblock.0.conv.weight" if residual else "blocks.0.convblock.0.0.weight"]
    # The scales leave no trace in the shapes: the widths tell the published networks apart.
    known = {architecture.widths: architecture.scales for architecture in ARCHITECTURES.values()}
    return Architecture(
        widths=widths,
        scales=known.get(widths, _usual_scales(count)),
        style="residual" if residual else "prelu" if "blocks.0.conv0.0.1.weight" in shapes else "leaky",
        outputs=shapes["blocks.0.lastconv.0.weight"][1] // 4 if residual else shapes["blocks.0.lastconv.weight"][1],
        groups=conv[0] // conv[1],
        head=_read_head(shapes),
    )


def build(shapes: Shapes) -> IFNet:
    """The network whose state dict has these shapes."""
    return IFNet(read_architecture(shapes))


def _architecture(model: str) -> Architecture:
    name = NEWEST.weights_of if model == NEWEST.name else model
    return next(
        architecture
        for versions, architecture in ARCHITECTURES.items()
        if name in {model_name(version) for version in versions}
    )


def create(name: str) -> IFNet:
    """The untrained network of the model called ``name``, at its published size."""
    return IFNet(_architecture(name))


def example(name: str) -> IFNet:
    """A very small untrained network in the manner of the model called ``name``."""
    architecture = _architecture(name)
    narrow = replace(architecture, widths=(8,) * len(architecture.widths))
    # Where the scales are unusual, only the published widths tell of them.
    return IFNet(narrow if _usual_scales(len(narrow.widths)) == architecture.scales else architecture)
