"""Registration with torch.library.

`torch.library.custom_op` would do, but it imports torch._dynamo: seconds at the start of every script.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch

__all__ = ["LIBRARY", "fake", "gradient", "operator"]

LIBRARY = torch.library.Library("vsvfi", "FRAGMENT")

type Registered = torch._ops.OpOverload[..., Any]


def operator(name: str) -> Callable[[Callable[..., Any]], Registered]:
    """Make a function of tensors and numbers the operator ``vsvfi::name``; its annotations are the schema.

    What else an operator has is registered with `fake` and with `torch.library.register_autograd`.
    """

    def register(function: Callable[..., Any]) -> Registered:
        schema = torch.library.infer_schema(function, mutates_args=())
        LIBRARY.define(name + schema, tags=torch.Tag.pt2_compliant_tag)
        LIBRARY.impl(name, function, "CompositeExplicitAutograd")
        registered: Registered = getattr(torch.ops.vsvfi, name).default
        return registered

    return register


def gradient(name: str) -> Callable[[Callable[..., Any]], Registered]:
    """As `operator`, for one that computes a derivative and has none itself: asking for it is an error."""

    def refuse(*_: Any) -> NoReturn:
        raise RuntimeError(f"vsvfi::{name} has no derivative: vsvfi's operators can be differentiated once")

    def register(function: Callable[..., Any]) -> Registered:
        registered = operator(name)(function)
        torch.library.register_autograd(registered, refuse)
        return registered

    return register


def fake[F: Callable[..., Any]](registered: Registered) -> Callable[[F], F]:
    """Register what ``registered`` returns for tensors without data: `torch.library.register_fake`, typed."""

    def register(function: F) -> F:
        torch.library.register_fake(registered, function)
        return function

    return register
