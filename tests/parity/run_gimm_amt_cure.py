"""GIMM-VFI and the flow estimators under it, AMT, CURE."""

from __future__ import annotations

import harness
import torch
from harness import Case, Results
from run_ema_ifrnet import outputs
from torch import Tensor, nn
from torch.nn import functional

from vsvfi.nets.ifr import mean_of
from vsvfi.nets.multifield import BidirectionalCorrelation
from vsvfi.nets.raft.network import FrameFeatures


def _estimator(net: nn.Module, case: Case) -> tuple[dict[str, Tensor], FrameFeatures, FrameFeatures]:
    first, second = net.encode(case["img0"] / 255), net.encode(case["img1"] / 255)
    initial = case["flow_init"] if "flow_init" in case else None  # noqa: SIM401
    flow_up, flow_low = net.flow(first, second, iterations=int(case.number("iters")), initial=initial)
    results = {"flow_up": flow_up, "flow_low": flow_low, "context_eighth": first.eighth}
    return results, first, second


@harness.network("flow_raft", "raft")
def _raft(net: nn.Module, case: Case) -> Results:
    results, first, _ = _estimator(net, case)
    return {**results, "context_quarter": first.quarter[:, :24], "fmap0": first.matching[:, :64]}


@harness.network("flow_flowformer", "flowformer")
def _flowformer(net: nn.Module, case: Case) -> Results:
    results, first, second = _estimator(net, case)
    _, memory = net.cost_memory(first, second)
    return {**results, "context_quarter": first.quarter, "feat0": first.matching, "cost_memory": memory}


@harness.network("gimm", "gimm")
def _gimm(net: nn.Module, case: Case) -> Results:
    motion = net.encode(case["flow01"], case["flow10"])
    results = {
        "weights01": motion.weights[0],
        "weights10": motion.weights[1],
        "latent0": motion.latents[0][:, :4],
        "scaler": motion.scale.flatten(),
    }
    if "t_list" in case:
        batch = len(case["flow01"])
        found = [net(motion, t.expand(batch)) for t in case["t_list"]]
        results["normalized_list"] = torch.stack([normalized for normalized, _ in found], 1)
        results["flow_list"] = torch.stack([flow for _, flow in found], 1)
    if "t_batch" in case:
        height, width = (int(n * case.number("upsample_ratio")) for n in case["flow01"].shape[-2:])
        results["normalized_batch"], results["flow_batch"] = net(motion, case["t_batch"], (height, width))
    return results


def _pad(frame: Tensor, multiple: int) -> tuple[Tensor, slice, slice]:
    """Replicated evenly on all sides, the odd pixel at the right and bottom; and where the frame then is."""
    height, width = frame.shape[-2:]
    more_y, more_x = -height % multiple, -width % multiple
    top, left = more_y // 2, more_x // 2
    padded = functional.pad(frame, (left, more_x - left, top, more_y - top), mode="replicate")
    return padded, slice(top, top + height), slice(left, left + width)


def _factor(case: Case, name: str) -> float:
    """A factor, recorded in single precision, as the number that was meant."""
    return round(case.number(name), 6)


@harness.network("gimmvfi_r", "gimm-vfi-r")
@harness.network("gimmvfi_f", "gimm-vfi-f")
def _gimm_vfi(net: nn.Module, case: Case) -> Results:
    scale = _factor(case, "ds_factor") if "ds_factor" in case else 1.0
    img0, rows, columns = _pad(case["img0"], 32)
    img1, _, _ = _pad(case["img1"], 32)
    pair = net.prepare(net.encode(img0, scale), net.encode(img1, scale))
    batch = len(img0)
    found = [net.synthesize(pair, t.expand(batch) if t.ndim == 0 else t) for t in case["t"]]
    return {
        "imgt": torch.stack([new.frames[..., rows, columns] for new in found]),
        "flow01": pair.motion.flows[0],
        "flow10": pair.motion.flows[1],
        "flowt": torch.stack([new.motion for new in found]),
        "flowt0_quarter": torch.stack([new.quarter[0] for new in found]),
        "flowt1_quarter": torch.stack([new.quarter[1] for new in found]),
    }


@harness.operator("op_corr_bidir")
def _corr_bidir(case: Case) -> Results:
    inputs = {name: case[name].requires_grad_() for name in ("fmap0", "fmap1", "coords0", "coords1")}
    correlation = BidirectionalCorrelation.of(inputs["fmap0"], inputs["fmap1"])
    out0, out1 = correlation.lookup(inputs["coords0"], inputs["coords1"], radius=4)
    torch.autograd.backward((out0, out1), (case["grad_output0"], case["grad_output1"]))
    return {"out0": out0, "out1": out1, **{f"grad_{name}": tensor.grad for name, tensor in inputs.items()}}


@harness.network("amt_s", "amt-s")
@harness.network("amt_l", "amt-l")
@harness.network("amt_g", "amt-g")
def _amt(net: nn.Module, case: Case) -> Results:
    scale = _factor(case, "scale_factor")
    frame0, rows, columns = _pad(case["frame0"], round(16 / scale))
    frame1, _, _ = _pad(case["frame1"], round(16 / scale))
    pair = net.prepare(frame0, frame1, (mean_of(frame0) + mean_of(frame1)) / 2, scale)
    with outputs(net, "decoder4", "update4") as kept:
        fields = net.fields(pair, case["timestep"].reshape(1))
    return {
        "out": net.render(pair, fields)[..., rows, columns],
        "dec4_flow0": kept["decoder4"][0][:, :2],
        "upd4_dflow": kept["update4"][0][1],
        "flow0": fields.flows[0],
        "mask": fields.mask,
    }


@harness.network("cure", "cure")
def _cure(net: nn.Module, case: Case) -> Results:
    first, second = net.encode(case["frame0"]), net.encode(case["frame1"])
    pair = net.prepare(first, second)
    timesteps = case["timestep"].reshape(1)
    return {
        "out": net.synthesize(pair, timesteps),
        "flow21": pair.flows[0],
        "flow12": pair.flows[1],
        "feat_frame0": first.features[:, :4],
        "fused": net.fuse(pair, timesteps)[:, :4],
    }
