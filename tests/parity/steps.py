"""Steps that several runners share: padding as the authors' scripts do it, and what a network returns on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness import Case
from torch import Tensor, nn
from torch.nn import functional as F


def pad_end(frame: Tensor, multiple: int, mode: str = "replicate", value: float | None = None) -> Tensor:
    """Pad at the right and at the bottom to multiples of a size."""
    height, width = frame.shape[-2:]
    return F.pad(frame, (0, -width % multiple, 0, -height % multiple), mode=mode, value=value)


def pad_center(frame: Tensor, multiple: int) -> tuple[Tensor, slice, slice]:
    """Replicate evenly on all sides, the odd pixel at the right and bottom; and where the frame then is."""
    height, width = frame.shape[-2:]
    more_y, more_x = -height % multiple, -width % multiple
    top, left = more_y // 2, more_x // 2
    padded = F.pad(frame, (left, more_x - left, top, more_y - top), mode="replicate")
    return padded, slice(top, top + height), slice(left, left + width)


def _recorded_pad(case: Case) -> tuple[int, ...]:
    return tuple(int(side) for side in case["pad"])


def pad(case: Case, frame: Tensor, mode: str = "replicate") -> Tensor:
    """The frame with the recorded padding."""
    return F.pad(frame, _recorded_pad(case), mode=mode)


def crop(case: Case, frame: Tensor) -> Tensor:
    """Undo `pad`."""
    left, right, top, bottom = _recorded_pad(case)
    return frame[..., top : frame.shape[-2] - bottom, left : frame.shape[-1] - right]


def factor(case: Case, name: str) -> float:
    """A factor, recorded in single precision, as the number that was meant."""
    return round(case.number(name), 6)


def levels(flows: Sequence[Tensor]) -> dict[str, Tensor]:
    """The flows of a pyramid, finest first, by their recorded names."""
    return {f"flow{level}": flow for level, flow in enumerate(flows, start=2)}


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


def recurrent_flow(network: Any, case: Case) -> tuple[dict[str, Tensor], Any, Any]:
    """The flow of RAFT or FlowFormer, and the features of both frames."""
    first, second = network.encode(case["img0"] / 255), network.encode(case["img1"] / 255)
    initial = case["flow_init"] if "flow_init" in case else None  # noqa: SIM401
    flow_up, flow_low = network.flow(first, second, iterations=int(case.number("iters")), initial=initial)
    return {"flow_up": flow_up, "flow_low": flow_low, "context_eighth": first.eighth}, first, second
