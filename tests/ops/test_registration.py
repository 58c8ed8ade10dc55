"""What torch.library, threads, processes and machines without kernels see of the operators."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from catalogue import OPERATORS, Operator, Problem
from torch.utils._python_dispatch import TorchDispatchMode

from vsvfi import ops
from vsvfi.compiled import library
from vsvfi.ops import _launch

splat = importlib.import_module("vsvfi.ops.forward_splat")  # the package's attribute is the function

# One mode of each: what differs between modes is the values, not the registration.
DISTINCT = {operator.id.split("-")[0]: operator for operator in OPERATORS}


class Calls(TorchDispatchMode):
    """Collects the calls of our operators, arguments included."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if function.namespace == "vsvfi":
            self.calls.append((function, args))
        return function(*args, **(kwargs or {}))


def calls(operator: Operator, backward: bool) -> list[tuple[Any, tuple[Any, ...]]]:
    inputs = [tensor.requires_grad_() for tensor in operator.inputs(Problem(1, 2, 4, 6), torch.float32)]
    output = operator.run(*inputs)
    with Calls() as seen:
        if backward:
            output.sum().backward()
        else:
            operator.run(*inputs)
    collected: list[tuple[Any, tuple[Any, ...]]] = seen.calls
    return collected


@pytest.mark.parametrize("name", DISTINCT)
def test_forward_is_one_operator(name: str) -> None:
    """opcheck: the schema is true, the fake has the real shapes, autograd is registered, and AOT traces it."""
    found = calls(DISTINCT[name], backward=False)
    assert len(found) == 1
    function, args = found[0]
    args = tuple(a.detach().requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a for a in args)
    torch.library.opcheck(function, args)


@pytest.mark.parametrize("name", DISTINCT)
def test_backward_is_made_of_operators(name: str) -> None:
    found = calls(DISTINCT[name], backward=True)
    assert found
    for function, args in found:
        args = tuple(a.detach() if isinstance(a, torch.Tensor) else a for a in args)
        torch.library.opcheck(function, args, test_utils=("test_schema", "test_faketensor"))


def test_export_sees_one_operator() -> None:
    class Warp(torch.nn.Module):
        def forward(self, image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
            return ops.backward_warp(image, flow)

    image, flow = OPERATORS[0].inputs(Problem(), torch.float32)
    program = torch.export.export(Warp(), (image, flow))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    computing = [target for target in targets if not target.startswith(("aten._assert", "aten.to."))]
    assert computing == ["vsvfi.backward_warp.default"]
    torch.testing.assert_close(program.module()(image, flow), ops.backward_warp(image, flow))


def test_compile_takes_operators_with_their_gradients() -> None:
    def loss(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        return (ops.backward_warp(image, flow) * ops.forward_splat(image, flow, mode="average")).sum()

    inputs = [tensor.requires_grad_() for tensor in OPERATORS[0].inputs(Problem(), torch.float32)]
    # Traced and functionalized, but not lowered to C++, which takes a minute.
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    expected = torch.autograd.grad(loss(*inputs), inputs)
    torch.testing.assert_close(torch.autograd.grad(compiled(*inputs), inputs), expected)


def test_second_derivatives_are_refused() -> None:
    image, flow = OPERATORS[0].inputs(Problem(), torch.float32)
    (first,) = torch.autograd.grad(ops.backward_warp(image, flow.requires_grad_()).sum(), flow, create_graph=True)
    with pytest.raises(RuntimeError, match=r"vsvfi::backward_warp_grad_flow has no derivative"):
        first.sum().backward()


def test_operators_run_without_the_compiler() -> None:
    """torch._dynamo takes seconds to import: nothing that only runs may do so."""
    script = """
        import sys, torch
        from vsvfi import ops
        flow = torch.zeros(1, 2, 4, 4, requires_grad=True)
        ops.backward_warp(torch.ones(1, 1, 4, 4), flow).sum().backward()
        assert "torch._dynamo" not in sys.modules
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_launch, "_missing", lambda device: "they were taken away")
    _launch._advise.cache_clear()
    yield
    _launch._advise.cache_clear()


def test_without_kernels_the_reference_runs_and_says_so_once(no_kernels: None) -> None:
    inputs = OPERATORS[0].inputs(Problem(), torch.float32)
    with pytest.warns(RuntimeWarning, match=r"no compiled kernels on cpu.*they were taken away"):
        output = ops.backward_warp(*inputs)
    torch.testing.assert_close(output, OPERATORS[0].reference(*inputs), rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.backward_warp(*inputs)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.id)
def test_without_kernels_every_operator_runs(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = operator.inputs(Problem(1, 2, 4, 6), torch.float32)
    expected = operator.run(*inputs)
    monkeypatch.setattr(_launch, "_missing", lambda device: "they were taken away")
    monkeypatch.setattr(_launch, "_advise", lambda device, reason: None)
    torch.testing.assert_close(operator.run(*inputs), expected, rtol=1e-4, atol=1e-4)


def test_gathered_splat_equals_the_scattered_one() -> None:
    """The deterministic kernel of GPUs gives the sums of the other one, on any device."""
    image, flow, metric = DISTINCT["forward_splat"].inputs(Problem(2, 9, 11, 67, 9.0, True), torch.float64)
    for softmax in (False, True):
        expected, total = splat._forward(image, flow, metric if softmax else None, softmax, 1, True)
        sums, weights = torch.zeros_like(image), torch.zeros_like(metric)
        outputs, order = (sums, weights), splat._by_target(flow)
        splat._run(
            "forward_splat_gather", image, flow, metric if softmax else None, outputs, order=order, softmax=softmax
        )
        torch.testing.assert_close(weights, total)
        torch.testing.assert_close(sums / torch.where(weights == 0, 1, weights), expected)


SCRIPT = """
    import ctypes, hashlib, os, threading
    import numpy as np
    from vsvfi.compiled import library

    library = library.load()
    rng = np.random.default_rng(0)
    n, c, h, w = 1, 3, 96, 130
    image = rng.random((n, c, h, w), np.float32)
    flow = (rng.random((n, 2, h, w), np.float32) - 0.5) * 30

    def splat():
        out, total = np.zeros_like(image), np.zeros((n, 1, h, w), np.float32)
        words = [image.ctypes.data, flow.ctypes.data, 0, out.ctypes.data, total.ctypes.data] + [0] * 7 + [c, h, w, 0]
        words = np.array(words, np.int64)
        size = [ctypes.c_int64(v) for v in (n, h, w, h)]
        assert library.vsvfi_forward_splat(ctypes.c_void_p(words.ctypes.data), *size, 0, 0) == 0
        return hashlib.sha256(out.tobytes() + total.tobytes()).hexdigest()

    digests = {splat()}
    threads = [threading.Thread(target=lambda: digests.update(splat() for _ in range(10))) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if hasattr(os, "fork"):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, splat().encode())
            os._exit(0)
        digests.add(os.read(reader, 64).decode())
        os.wait()
    assert "torch" not in __import__("sys").modules
    print(*digests)
"""


def test_same_bits_in_any_number_of_threads_and_in_forks() -> None:
    """Splatting adds in one order: whoever calls, from several threads at once, and in a forked child."""
    outputs = set()
    for threads in ("1", "2", "5"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout.strip())
    assert len(outputs) == 1
    assert len(outputs.pop()) == hashlib.sha256().digest_size * 2


def test_both_builds_agree() -> None:
    """The build for AVX2 gives what the portable one does, up to the rounding of fused multiply-adds."""
    portable = library._open("vsvfi_kernels")
    if isinstance(portable, str) or getattr(library.load(), "_name", None) == portable._name:
        pytest.skip("this machine runs the portable build")
    for operator in OPERATORS:
        inputs = operator.inputs(Problem(special=True), torch.float32)
        fast = operator.run(*inputs)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library, "load", lambda: portable)
            _launch._cpu_function.cache_clear()
            slow = operator.run(*inputs)
        _launch._cpu_function.cache_clear()
        torch.testing.assert_close(slow, fast, rtol=1e-4, atol=1e-4, equal_nan=True)
