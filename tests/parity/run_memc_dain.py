"""How the MEMC-Net and DAIN networks, their flow networks and the depth network run the recorded cases."""

from __future__ import annotations

import harness
import torch
from harness import Case, Results
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.flownets.network import estimate as flownets_estimate
from vsvfi.nets.megadepth.network import proximity


def _pad(case: Case) -> tuple[int, ...]:
    return tuple(int(side) for side in case["pad"])


def pad(case: Case, frame: Tensor) -> Tensor:
    """The frame with the recorded padding, by replication."""
    return functional.pad(frame, _pad(case), mode="replicate")


def crop(case: Case, frame: Tensor) -> Tensor:
    """Undo `pad`."""
    left, right, top, bottom = _pad(case)
    return frame[..., top : frame.shape[-2] - bottom, left : frame.shape[-1] - right]


def _memc_net(net: nn.Module, case: Case) -> Results:
    frame0, frame1 = pad(case, case["frame0"]), pad(case, case["frame1"])
    motion = net.analyse(frame0, frame1)
    synthesis = net.synthesize(frame0, frame1, motion)
    results = {
        "out": crop(case, synthesis.out),
        "flow_raw0": motion.flows[0],
        "filter0": motion.kernels[0],
        "filter1": motion.kernels[1],
    }
    if motion.occlusion is not None:
        results |= {"occlusion0": motion.occlusion[0], "occlusion1": motion.occlusion[1]}
    return results


harness.network("memc_net_star", "memc-net-star")(_memc_net)
harness.network("memc_net", "memc-net")(_memc_net)
harness.network("memc_net_s", "memc-net-s")(_memc_net)


@harness.network("memc_net_ve", "memc-net-ve")
def _memc_net_ve(net: nn.Module, case: Case) -> Results:
    frames = case["frames"]
    padded = pad(case, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    result = net(padded)
    return {"out": crop(case, result.out), "flow2": result.flows}


@harness.network("dain", "dain")
def _dain(net: nn.Module, case: Case) -> Results:
    frames = (pad(case, case["frame0"]), pad(case, case["frame1"]))
    encoded = (net.encode(frames[0]), net.encode(frames[1]))
    pair = net.analyse(frames, encoded)
    syntheses = [net.synthesize(pair, t) for t in case["timesteps"].tolist()]
    return {
        "out": torch.stack([crop(case, synthesis.out) for synthesis in syntheses]),
        "flow_raw0": syntheses[0].flows[0],
        "log_depth": torch.cat([one.log_depth for one in encoded]),
        "filter0": pair.kernels[0],
        "filter1": pair.kernels[1],
    }


def _levels(flows: list[Tensor]) -> dict[str, Tensor]:
    return {f"flow{level}": flow for level, flow in enumerate(flows, start=2)}


@harness.network("flow_pwcnet", "pwcnet")
def _pwcnet(net: nn.Module, case: Case) -> Results:
    # As DAIN calls it: on RGB, where `vsvfi.flow` gives the stand-alone weights the BGR that they were trained on.
    flows = net(case["frame0"], case["frame1"])
    out = functional.interpolate(20 * flows[0], scale_factor=4, mode="bilinear", align_corners=False)
    return {"out": out, **_levels(flows)}


@harness.network("flow_flownets", "flownets")
def _flownets(net: nn.Module, case: Case) -> Results:
    # The recorded flow leads half-way.
    out = flownets_estimate(net, case["frame0"], case["frame1"]) / 2
    return {"out": out, **_levels(net(torch.cat((case["frame0"], case["frame1"]), 1)))}


@harness.network("depth_megadepth", "megadepth")
def _megadepth(net: nn.Module, case: Case) -> Results:
    out = net(case["image"])
    return {"out": out, "weight": proximity(out)}
