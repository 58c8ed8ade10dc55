"""How IFRNet and EMA-VFI run on the recorded cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import harness
from harness import Case, Results
from torch import nn
from torch.nn import functional as F


@contextmanager
def outputs(network: nn.Module, *names: str) -> Iterator[dict[str, list[Any]]]:
    """What submodules return while the context lasts, in the order of their calls."""
    kept: dict[str, list[Any]] = {name: [] for name in names}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: kept[name].append(output)
        )
        for name in names
    ]
    yield kept
    for hook in hooks:
        hook.remove()


def ifrnet(network: nn.Module, case: Case) -> Results:
    """One call; the recorded intermediates are what the decoders and the encoder return."""
    with outputs(network, "decoder4", "decoder1", "encoder.pyramid4") as kept:
        out = network(case["frame0"], case["frame1"], case["timestep"].reshape(1), case.number("scale_factor"))
    return {
        "out": out,
        "dec4": kept["decoder4"][0][:, :4],
        "dec1": kept["decoder1"][0],
        "enc_frame0_l4": kept["encoder.pyramid4"][0],
    }


def ema_vfi(network: nn.Module, case: Case) -> Results:
    """Pad, run once or with test-time augmentation, crop; intermediates are those of the first pass."""
    height, width = case["frame0"].shape[2:]
    top, left = -height % 32 // 2, -width % 32 // 2
    padding = (left, -width % 32 - left, top, -height % 32 - top)
    frames = [F.pad(case[name], padding, mode="replicate") for name in ("frame0", "frame1")]
    scale, timestep = case.number("down_scale"), case["timestep"].reshape(1)
    with outputs(network, "backbone", "flow_heads.0", "flow_heads.1") as kept:
        out = network(*frames, timestep, scale)
    features = kept["backbone"][-1]
    if case.number("tta"):
        flipped = network(*(frame.flip(2, 3) for frame in frames), timestep, scale).flip(2, 3)
        out = (out + flipped) / 2
    flow, mask = kept["flow_heads.0"][0]
    return {
        "out": out[:, :, top : top + height, left : left + width],
        "motion5": features.motion[1],
        "appearance4": features.appearance[3][:1],
        "flow_s0": flow,
        "mask_s0": mask,
        "flow_s1": kept["flow_heads.1"][0][0],
    }


harness.network("ema_vfi", "ema-vfi")(ema_vfi)
harness.network("ema_vfi_small", "ema-vfi-small")(ema_vfi)
harness.network("ifrnet", "ifrnet")(ifrnet)
harness.network("ifrnet_s", "ifrnet-s")(ifrnet)
harness.network("ifrnet_l", "ifrnet-l")(ifrnet)
