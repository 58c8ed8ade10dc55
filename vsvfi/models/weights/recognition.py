"""Which network some tensors are of, and that network with the tensors in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vsvfi.models import registry
from vsvfi.models.info import Layout, NetworkInfo, Shapes, load_object
from vsvfi.models.weights.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["assemble", "hint", "listed", "networks", "recognise", "shapes_of", "trained_names"]

SEPARATOR = "::"
"""Between a model's name and the name of a tensor, in files that ``vsvfi train`` writes."""


def networks() -> dict[str, NetworkInfo]:
    """Everything that can have weights, by name: the models of the filters and other networks."""
    known = {**registry.networks(), **registry.enhancers(), **registry.backends()}
    return {name: info for name, info in known.items() if info.build}


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a state dict."""
    return {name: tuple(value.shape) for name, value in state.items()}


def recognise(shapes: Shapes, among: Iterable[NetworkInfo] | None = None) -> list[tuple[NetworkInfo, Layout]]:
    """The networks (all with weights of their own, or those ``among``) that have a layout which these tensors fit."""
    candidates = [info for info in networks().values() if not info.weights_of] if among is None else list(among)
    owners = {name.partition(SEPARATOR)[0] for name in shapes if SEPARATOR in name}
    if owners:
        return [(info, _trained_layout(info)) for info in candidates if owners == {info.weights_of or info.name}]
    return [(info, layout) for info in candidates for layout in info.layouts if layout.matches(shapes)]


def trained_names(info: NetworkInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's state dict as ``vsvfi train`` writes it: our names, each after the model's."""
    owner = info.weights_of or info.name
    return {f"{owner}{SEPARATOR}{name}": value for name, value in state.items()}


def _trained_layout(info: NetworkInfo) -> Layout:
    owner = info.weights_of or info.name
    return Layout(has_all=(), rename=((f"^{re.escape(owner + SEPARATOR)}", ""),), complete=True)


def hint(shapes: Shapes) -> str:
    """Of which networks these tensors are, as the end of a message; empty where that is not known."""
    others = sorted({info.name for info, _ in recognise(shapes)})
    return f"; they look like {' or '.join(others)}" if others else ""


def listed(names: Iterable[str]) -> str:
    """The first few names and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:4]) + (f" and {len(ordered) - 4} more" if len(ordered) > 4 else "")


def assemble(info: NetworkInfo, states: Sequence[Mapping[str, Tensor]]) -> nn.Module:
    """Build the network of ``info`` and load published state dicts, the parts of one checkpoint, into it.

    Returns:
        the network in eval mode, fp32, without gradients.

    Raises:
        WeightsError: a state is of another network, or names or shapes are missing, unexpected or wrong, or values
            are not finite.
    """
    complete = _renamed(info, states)
    try:
        network: nn.Module = load_object(info.build)(shapes_of(complete))
    except KeyError as error:
        raise WeightsError(f"these weights do not fit {info.name}: missing {error.args[0]}") from None
    # PyTorch before 0.4.1 saved no counters of batch normalisation; they matter to training alone.
    counters = {name: count for name, count in network.state_dict().items() if name.endswith(".num_batches_tracked")}
    complete = counters | complete
    _compare(info, shapes_of(network.state_dict()), complete)
    network.load_state_dict({name: value.to(loaded_dtype(value)) for name, value in complete.items()})
    return network.eval().requires_grad_(False)


def loaded_dtype(value: Tensor) -> torch.dtype:
    """Floating-point tensors are loaded as fp32 whatever they were stored as."""
    import torch

    return torch.float32 if value.is_floating_point() else value.dtype


def _renamed(info: NetworkInfo, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all parts, under our names."""
    matched: list[tuple[Mapping[str, Tensor], Layout]] = []
    for state in states:
        found = recognise(shapes_of(state), [info])
        if not found:
            raise WeightsError(f"these are not weights of {info.name}{hint(shapes_of(state))}")
        matched.append((state, found[0][1]))
    # The parts inside a complete file were trained together: parts added on their own do not replace them.
    matched = [match for match in matched if match[1].complete] or matched
    parts = {layout.part for _, layout in matched}
    if "" not in parts:
        raise WeightsError(f"only {listed(parts)} of {info.name} is there; the main weights are missing")
    if not any(layout.complete for _, layout in matched) and set(info.parts) - parts:
        raise WeightsError(f"the {listed(set(info.parts) - parts)} part of the weights of {info.name} is missing")
    complete: dict[str, Tensor] = {}
    for state, layout in matched:
        for published, value in state.items():
            name = layout.our_name(published)
            if name is not None:
                complete[name] = value
    return complete


def _compare(info: NetworkInfo, expected: Shapes, given: Mapping[str, Tensor]) -> None:
    missing, unexpected = expected.keys() - given.keys(), given.keys() - expected.keys()
    wrong = {name for name in expected.keys() & given.keys() if expected[name] != tuple(given[name].shape)}
    # One sum tells for a tensor: it is finite only if all values are, but for overflow, which a second look rules out.
    broken = {
        name
        for name, value in given.items()
        if value.is_floating_point() and not value.sum().isfinite() and not value.isfinite().all()
    }
    complaints = [
        f"{what} {listed(names)}"
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", wrong),
            ("NaN or infinite values in", broken),
        )
        if names
    ]
    if complaints:
        raise WeightsError(f"these weights do not fit {info.name}: {'; '.join(complaints)}")
