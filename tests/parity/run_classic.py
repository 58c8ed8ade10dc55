"""How the classic models and the estimators they are built on run on the recorded cases."""

from __future__ import annotations

import harness
import torch
import torch.nn.functional as F
from harness import Case, Results
from torch import Tensor, nn

from vsvfi.backends.super_slomo.network import Place
from vsvfi.nets.flownet2 import network as flownet2
from vsvfi.nets.spynet.network import normalise
from vsvfi.ops import bilateral_cost_volume


def pad_end(frame: Tensor, multiple: int, mode: str = "replicate") -> Tensor:
    """Pad at the right and at the bottom to multiples of a size."""
    height, width = frame.shape[-2:]
    return F.pad(frame, (0, -width % multiple, 0, -height % multiple), mode=mode)


@harness.network("sepconv", "sepconv")
def _sepconv(network: nn.Module, case: Case) -> Results:
    height, width = case["one"].shape[-2:]
    one, two = pad_end(case["one"], 128), pad_end(case["two"], 128)
    kernels = network.kernels(one, two)
    return {
        "vertical1_taps24_26": kernels.vertical1[:, 24:27],
        "horizontal2_taps24_26": kernels.horizontal2[:, 24:27],
        "output": network.apply_kernels(one, two, kernels)[..., :height, :width],
    }


@harness.network("voxel_flow", "voxel-flow")
def _voxel_flow(network: nn.Module, case: Case) -> Results:
    flow_mask = network.voxel_flow(case["one"], case["two"])
    return {
        "flow_mask": flow_mask,
        "output": network.sample(case["one"], case["two"], flow_mask, tuple(case["one"].shape[-2:])),
    }


@harness.network("super_slomo", "super-slomo")
def _super_slomo(network: nn.Module, case: Case) -> Results:
    flows, place = network.flows(case["frame0"], case["frame1"]), Place(*case["frame0"].shape[-2:])
    times = case["t"].view(-1, 1, 1, 1)
    frame0, frame1, all_flows = (x.expand(len(times), -1, -1, -1) for x in (case["frame0"], case["frame1"], flows))
    refined = network.refine(frame0, frame1, all_flows, times, place)
    return {
        "flow01_10": flows,
        "ft0_refined": refined.flow_t0[:1],
        "visibility0": refined.visibility0[:1],
        "output": network.blend(frame0, frame1, refined, times, place).unsqueeze(0),
    }


@harness.network("mind", "mind")
def _mind(network: nn.Module, case: Case) -> Results:
    features = network.encode(case["frame0"], case["frame1"])
    return {"enc5_first8": features[-1][:, :8], "output": network.decode(*features)}


@harness.network("flow_spynet", "spynet")
def _spynet(network: nn.Module, case: Case) -> Results:
    deltas: dict[str, Tensor] = {}
    hooks = [
        network.levels[level].register_forward_hook(
            lambda _module, _inputs, output, name=f"level{level}_delta": deltas.update({name: output})
        )
        for level in (0, 1)
    ]
    flow = network(normalise(case["first"]), normalise(case["second"]))
    for hook in hooks:
        hook.remove()
    return {"out": flow, **deltas}


@harness.network("toflow", "toflow")
def _toflow(network: nn.Module, case: Case) -> Results:
    frame0, frame1 = normalise(case["frame0"]), normalise(case["frame1"])
    flow01, flow10 = network.spynet(frame0, frame1), network.spynet(frame1, frame0)
    return {"flow01": flow01, "out": network.synthesize(frame0, frame1, flow01, flow10)}


@harness.network("bmbc", "bmbc")
def _bmbc(network: nn.Module, case: Case) -> Results:
    t = case.number("timestep")
    first, second = network.encode(case["frame0"]), network.encode(case["frame1"])
    flows = network.flows(first, second)
    motion = network.motion(first, second, t)
    candidates = network.candidates(first, second, flows, motion, t)
    logits = network.logits(first, second, candidates)
    coarsest = first.features[-1]
    no_motion = torch.zeros(1, 2, *coarsest.shape[-2:])
    return {
        "corr6_t0": bilateral_cost_volume(coarsest, second.features[-1], no_motion, timestep=0.0, radius=6),
        "flow01": flows.forward,
        "flow10": flows.backward,
        "bm": motion,
        "cand5_rgb": candidates[4][:, :3],
        "logits_head": logits[:, :5],
        "out": network.blend(candidates, logits),
    }


@harness.network("flow_flownet2", "flownet2")
def _flownet2(network: nn.Module, case: Case) -> Results:
    flows: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=f"{name}_flow2": flows.update({name: output[0]})
        )
        for name in ("flownetc", "flownets_1", "flownets_2", "flownets_d")
    ]
    out = flownet2.estimate(network, case["first"] / 255, case["second"] / 255)
    for hook in hooks:
        hook.remove()
    return {"out": out, **flows}


@harness.network("flow_flownetc", "flownet2-c")
def _flownetc(network: nn.Module, case: Case) -> Results:
    frame0, frame1 = case["first"] / 255, case["second"] / 255
    features1, features2 = (
        network.conv3(network.conv2(network.conv1(frame))) for frame in flownet2.normalise(frame0, frame1)
    )
    flows = network(*flownet2.normalise(frame0, frame1))
    return {
        "corr": network.matches(features1, features2)[:, ::40],
        "flow2": flows[0],
        "flow6": flows[-1],
        "out": flownet2.estimate(network, frame0, frame1),
    }


@harness.network("flow_flownet2_s", "flownet2-s")
def _flownet2_s(network: nn.Module, case: Case) -> Results:
    frame0, frame1 = case["first"] / 255, case["second"] / 255
    flows = network(torch.cat(flownet2.normalise(frame0, frame1), 1))
    return {"flow2": flows[0], "flow6": flows[-1], "out": flownet2.estimate(network, frame0, frame1)}


@harness.network("zooming_slow_mo", "zooming-slow-mo")
def _zooming_slow_mo(network: nn.Module, case: Case) -> Results:
    frames = case["frames"]
    height, width = frames.shape[-2:]
    # The authors' script pads with zeros.
    padded = [pad_end(frame, 4, "constant") for frame in frames.unbind(1)]
    sequence = network.sequence([network.encode(frame) for frame in padded])
    features = network.aggregate(sequence)
    output = torch.stack([network.reconstruct(x)[..., : 4 * height, : 4 * width] for x in features], 1)
    return {"interp_feature": sequence[1][:, :4], "lstm_feature": features[1][:, :4], "output": output}
