"""The CUDA side without a GPU: NVRTC compiles every kernel, and a C++ compiler runs them thread by thread."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from catalogue import OPERATORS, Operator, Problem

from vsvfi.compiled import library
from vsvfi.ops import _cuda, _launch

ENTRY = re.compile(r"^VSVFI_(?:GATHER|SCATTER)\((\w+), (\w+), ([\d, ]+)\)$", re.MULTILINE)


def entries() -> list[tuple[str, str, tuple[int, ...]]]:
    """Every kernel's name, struct and variants, as kernels/*.cpp define them."""
    found = []
    for path in sorted(library.kernel_sources().glob("ops/*.cpp")):
        for name, struct, variants in ENTRY.findall(path.read_text()):
            found.append((name, struct, tuple(int(variant) for variant in variants.split(","))))
    return found


def test_kernels_are_named_as_they_are_asked_for() -> None:
    assert len(entries()) > 20
    for name, struct, _ in entries():
        assert _cuda.name_of(name, "float", 0) == f"vsvfi::launch<vsvfi::{struct}<float, 0>>"


def test_cached_cuda_kernels_depend_on_what_cuda_includes_alone(tmp_path: Path) -> None:
    sources = tmp_path / "kernels"
    shutil.copytree(library.kernel_sources(), sources)
    before = _cuda.digest(sources)
    for header in ("ops/cpu.h", "common/parallel.h", "flow/pyramid.h"):
        (sources / header).write_text("// edited")
    assert _cuda.digest(sources) == before
    for header in ("ops/kernel.h", "ops/backward_warp.h", "ops/launch.h"):
        with (sources / header).open("a") as file:
            file.write("// edited")
        after = _cuda.digest(sources)
        assert after != before, header
        before = after


# The oldest supported architecture, and the newest with the other types.
@pytest.mark.parametrize(
    ("architecture", "storages"),
    [
        ("sm_75", (torch.float32, torch.float16)),
        ("sm_90", (torch.float32,)),
        ("sm_120", (torch.bfloat16, torch.float64)),
    ],
)
def test_nvrtc_compiles_every_kernel(architecture: str, storages: tuple[torch.dtype, ...]) -> None:
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    try:
        error, program = nvrtc.nvrtcCreateProgram(_cuda.source().encode(), b"vsvfi.cu", 0, None, None)
    except Exception as error:
        pytest.skip(f"NVRTC's library is not here: {error}")
    for name, _, variants in entries():
        # Kernels that only know their accumulator's type are not asked for in half precision.
        wide = name.startswith(("flow_projection", "bilateral", "correlation_lookup"))
        for storage in storages:
            if wide and storage in (torch.float16, torch.bfloat16):
                continue
            for variant in variants:
                expression = _cuda.name_of(name, _cuda.STORAGE_TYPES[storage], variant)
                (status,) = nvrtc.nvrtcAddNameExpression(program, expression.encode())
                assert status == 0
    # The options after ours are those that CuPy adds.
    added = ["-ftz=true", "--device-as-default-execution-space", f"--gpu-architecture={architecture}"]
    options = [*_cuda.options(), *added]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = bytearray(size)  # An empty log written over bytes would turn every b" " of this process into zeros.
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == 0, log.decode()
    nvrtc.nvrtcDestroyProgram(program)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Operators on the CPU run the CUDA kernels, emulated."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("emulation")
    lines = [f"EMULATE({name}, {struct}, {', '.join(map(str, variants))})" for name, struct, variants in entries()]
    source = folder / "kernels.cpp"
    emulation = Path(__file__).with_name("emulation.cpp")
    source.write_text("\n".join([f'#include "{emulation.as_posix()}"', *lines, ""]))
    built = folder / "kernels.so"
    options = ["-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", f"-I{library.kernel_sources()}"]
    subprocess.run([compiler, *options, source, "-o", built], check=True)
    opened = ctypes.CDLL(str(built))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "load", lambda: opened)
        _launch._cpu_function.cache_clear()
        yield
    _launch._cpu_function.cache_clear()


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.id)
def test_emulated_cuda_equals_the_reference(operator: Operator, emulated: None) -> None:
    for problem in (Problem(2, 9, 7, 13, 4.0, True, 1), Problem(1, 3, 1, 1, 0.7)):
        inputs = [tensor.requires_grad_() for tensor in operator.inputs(problem, torch.float64)]
        ours, expected = operator.run(*inputs), operator.reference(*inputs)
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
        options = {"allow_unused": True, "materialize_grads": True}
        weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        theirs = torch.autograd.grad(expected, inputs, weights, **options)
        for mine, other in zip(torch.autograd.grad(ours, inputs, weights, **options), theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-6, equal_nan=True)
