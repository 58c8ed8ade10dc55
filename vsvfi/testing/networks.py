"""Conformance checks for backends that are torch networks. All run on the CPU, on small untrained networks."""

from __future__ import annotations

import gc
import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from vsvfi.backends.base import TorchBackend
from vsvfi.models.info import BackendInfo, Options, load_object

if TYPE_CHECKING:
    import vapoursynth as vs

    from vsvfi.engine.networks import TorchEngine

__all__ = [
    "QuickProducts",
    "applicable",
    "check_compiled",
    "check_deterministic",
    "check_freed",
    "check_low_precision",
    "check_odd_size",
    "check_options",
    "check_shapes",
    "check_source_frames",
    "check_state_dict",
    "check_still",
    "check_timesteps",
    "example_backend",
    "example_frames",
    "example_network",
    "interpolate",
]

type Check = Callable[[BackendInfo], None]


def _beside_build(info: BackendInfo, name: str) -> object:
    module = info.build.partition(":")[0]
    try:
        return load_object(f"{module}:{name}")
    except AttributeError:
        return None


@contextmanager
def _seed(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def example_network(info: BackendInfo, seed: int = 0) -> nn.Module:
    """A small untrained network of a backend, the same for the same seed; an empty module where it has none.

    Raises:
        AssertionError: there is no ``example`` beside ``build``.
    """
    if not info.build:
        return nn.Module().eval()
    example = _beside_build(info, "example")
    assert callable(example), f"put `example(name) -> nn.Module` into {info.build.partition(':')[0]}, beside `build`"
    with _seed(seed):
        network = example(info.name)
    assert isinstance(network, nn.Module)
    network.eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            # From torch's shrinking default to a variance of 1 / fan-in: otherwise deep networks see almost nothing.
            parameter.mul_(3**0.5)
    return network


def example_backend(
    info: BackendInfo, network: nn.Module | None = None, options: Options | None = None
) -> TorchBackend:
    """A backend around ``network``, by default an example of its own."""
    backend = load_object(info.backend)(info, network or example_network(info), options or Options())
    assert isinstance(backend, TorchBackend)
    return backend


def _size(backend: TorchBackend) -> tuple[int, int]:
    multiple, minimum = backend.multiple, max(backend.info.minimum, 32)
    height = -(-minimum // multiple) * multiple
    return height, height + multiple if multiple > 1 else height + 8


def example_frames(backend: TorchBackend, seed: int = 0) -> list[Tensor]:
    """Smooth coloured frames ``(1, 3, H, W)`` in (0, 1), one for each of the window, of the smallest useful size."""
    height, width = _size(backend)
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(len(backend.info.window), 3, 5, 5, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return list(smooth.mul(0.8).add(0.1).clamp(0, 1).unsqueeze(1))


def interpolate(backend: TorchBackend, frames: Sequence[Tensor], *timesteps: float) -> Tensor:
    """The frames ``(T, 3, H, W)`` at ``timesteps``, by default at one half.

    Raises:
        AssertionError: the backend returned something else; the message says what.
    """
    steps = timesteps or (0.5,)
    with torch.no_grad():
        encoded = [backend.encode(frame) for frame in frames]
        state = backend.prepare(frames, encoded)
        result = backend.synthesize(state, torch.tensor(steps, dtype=torch.float32))
    _check_frames(result, len(steps), backend, frames[0], "synthesize")
    return result


def _check_frames(result: object, count: int, backend: TorchBackend, like: Tensor, method: str) -> None:
    """That a method of a backend returned so many finite frames of the right size."""
    scale = backend.info.spatial_scale
    height, width = like.shape[-2:]
    expected = (count, 3, scale * height, scale * width)
    assert isinstance(result, Tensor), f"{method} returned a {type(result).__name__}, expected a tensor {expected}"
    size = "the size of the window's frames" if scale == 1 else f"spatial_scale = {scale} times the window's frames"
    assert tuple(result.shape) == expected, (
        f"{method} returned {tuple(result.shape)}, expected {expected}: a frame for each timestep, {size}"
    )
    assert result.is_floating_point(), f"{method} returned {result.dtype}, expected floating point in about [0, 1]"
    if not torch.compiler.is_compiling():
        assert result.isfinite().all(), f"{method} returned NaN or infinity at {int((~result.isfinite()).sum())} places"


def _difference(first: Tensor, second: Tensor, *, mean: bool = False) -> float:
    """The largest (or the mean) absolute difference."""
    differences = (first.float() - second.float()).abs()
    return float(differences.mean() if mean else differences.max())


def check_shapes(info: BackendInfo) -> None:
    """New frames have the right shape, are finite, and leave the given ones as they were."""
    backend = example_backend(info)
    frames = example_frames(backend)
    before = [frame.clone() for frame in frames]
    interpolate(backend, frames)
    for index, (frame, original) in enumerate(zip(frames, before, strict=True)):
        assert torch.equal(frame, original), (
            f"frame {index} of the window was changed in place; other windows share it, so work on a copy"
        )


def check_timesteps(info: BackendInfo) -> None:
    """Several timesteps at once give what they give one by one, and differ from each other."""
    backend = example_backend(info)
    frames = example_frames(backend)
    steps = (0.25, 0.5, 0.8)
    together = interpolate(backend, frames, *steps)
    spread = (together[0] - together[-1]).abs().mean()
    assert spread > 1e-6, (
        f"frames at {steps[0]} and {steps[-1]} are the same: use the timestep, or declare timesteps='midpoint'"
    )
    for index, step in enumerate(steps):
        alone = interpolate(backend, frames, step)
        # Relative to what time changes: random networks may amplify rounding.
        error = (together[index : index + 1] - alone).abs().mean()
        assert error <= 0.02 * spread + 2e-7, (
            f"at {step} the frame of a batch of timesteps differs from the single one by {error:.2g} in the mean, "
            "expected "
            f"at most {0.02 * spread + 2e-7:.2g}: nothing may be mixed over the first dimension"
        )


def check_deterministic(info: BackendInfo) -> None:
    """The same question gets the same answer, bit for bit, from the same state and from a new backend."""
    backend = example_backend(info)
    assert not backend.network.training, "the network is in training mode, expected eval mode: remove .train()"
    frames = example_frames(backend)
    steps = (0.3, 0.6) if info.timesteps == "any" else (0.5, 0.5)
    with torch.no_grad():
        state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
        first, _, again = (backend.synthesize(state, torch.tensor([step])) for step in (*steps, steps[0]))
    assert torch.equal(first, again), (
        f"the frame at {steps[0]} changed by up to {_difference(first, again):.2g} when asked for again, expected "
        "the same "
        "bits: synthesize changes what prepare returned, or is random"
    )
    fresh = interpolate(example_backend(info), frames, steps[0])
    assert torch.equal(first, fresh), (
        f"a new backend gives a frame that differs by up to {_difference(first, fresh):.2g}, expected the same "
        "bits: the "
        "backend keeps something from one call to the next, or is random"
    )


class QuickProducts(TorchDispatchMode):
    """Computes products of half precision in fp32 and rounds them, as a GPU does: most CPUs are very slow at them."""

    PRODUCTS = (
        torch.ops.aten.convolution.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten.mm.default,
        torch.ops.aten.bmm.default,
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        dtype = args[0].dtype if func in self.PRODUCTS else torch.float32
        if dtype in (torch.float16, torch.bfloat16):
            args = [arg.float() if isinstance(arg, Tensor) else arg for arg in args]
            return func(*args, **(kwargs or {})).to(dtype)
        return func(*args, **(kwargs or {}))


def check_low_precision(info: BackendInfo) -> None:
    """Under autocast to fp16 and bf16, where supported, frames stay finite and close to those of fp32."""
    backend = example_backend(info)
    frames = example_frames(backend)
    full = interpolate(backend, frames)
    for dtype, supported in ((torch.float16, info.supports_half), (torch.bfloat16, info.supports_bfloat16)):
        if not supported:
            continue
        with QuickProducts(), torch.autocast("cpu", dtype):  # type: ignore[no-untyped-call]
            low = interpolate(backend, frames)
        error = _difference(low.float(), full, mean=True)
        assert error < 0.02, (
            f"under {dtype} frames differ from those in fp32 by {error:.2g} in the mean, expected below 0.02: "
            "call .float() "
            f"on flows and coordinates, or declare that {str(dtype).removeprefix('torch.')} is not supported"
        )


def check_options(info: BackendInfo) -> None:
    """Every quality and another scale of motion give frames of the right size."""
    network = example_network(info)
    choices = [Options(quality=quality) for quality in info.qualities]
    if info.supports_flow_scale:
        choices += [Options(flow_scale=Fraction(1, 2)), Options(flow_scale=Fraction(2))]
    for options in choices:
        backend = example_backend(info, network, options)
        frames = example_frames(backend)
        try:
            interpolate(backend, frames)
        except AssertionError as error:
            raise AssertionError(f"with {options}: {error}") from None


def check_still(info: BackendInfo) -> None:
    """With the heads of flow and residual at zero a still picture comes out as it went in, pixel for pixel."""
    import numpy as np

    network = example_network(info)
    heads = _beside_build(info, "FLOW_HEADS")
    assert isinstance(heads, tuple), f"FLOW_HEADS is a {type(heads).__name__}, expected a tuple of patterns"
    zeroed = 0
    for name, parameter in network.named_parameters():
        if any(re.search(head, name) for head in heads):
            parameter.zero_()
            zeroed += 1
    assert zeroed, f"FLOW_HEADS: no parameter has a name like {heads}; see network.named_parameters()"
    backend = example_backend(info, network)
    frame = example_frames(backend)[0]
    steps = (0.01, 0.5, 0.99) if info.timesteps == "any" else (0.5,)
    result = interpolate(backend, [frame] * len(info.window), *steps)
    if info.spatial_scale > 1:
        return
    moved = _difference(result, frame.expand_as(result))
    assert moved <= 1e-4, (
        f"without flow and residual a still picture changes by up to {moved:.2g}, expected at most 1e-4: it is sampled "
        "beside its pixels, or weighed wrongly"
    )
    # Through the engine, at an odd size: padding and cropping must not move the picture.
    source = _noise(37, 41)
    got = _render(_engine(backend), source)
    for plane in range(3):
        off = np.abs(np.asarray(got[plane]).astype(int) - np.asarray(source[plane])).max()
        assert off <= 1, (
            f"a still picture of 37x41 changes by up to {off} of 255 in the filter, expected at most 1: check "
            "multiple, "
            "minimum and padding"
        )


def check_state_dict(info: BackendInfo) -> None:
    """A state dict survives a safetensors file, and its shapes alone rebuild the network."""
    from safetensors.torch import load_file, save_file

    network = example_network(info)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        save_file({name: value.contiguous().clone() for name, value in network.state_dict().items()}, path)
        state = load_file(path)
    rebuilt = load_object(info.build)({name: tuple(value.shape) for name, value in state.items()})
    rebuilt.load_state_dict(state, strict=True)
    frames = example_frames(example_backend(info, network))
    expected, result = (
        interpolate(example_backend(info, candidate.eval()), frames) for candidate in (network, rebuilt)
    )
    assert torch.equal(expected, result), (
        "the network that build makes of the shapes gives frames that differ by up to "
        f"{_difference(expected, result):.2g}, "
        "expected the same bits: something that the frames depend on is not in the state dict"
    )


def check_source_frames(info: BackendInfo) -> None:
    """A model that enlarges frames gives the source frames enlarged, too."""
    backend = example_backend(info)
    frames = example_frames(backend)
    with torch.no_grad():
        state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
        for index in range(len(frames)):
            _check_frames(backend.source_frame(state, index), 1, backend, frames[0], "source_frame")


def _engine(backend: TorchBackend) -> TorchEngine:
    import vapoursynth as vs

    from vsvfi.engine.networks import TorchEngine

    return TorchEngine(
        backend.info,
        backend,
        vs.core.core,
        device=torch.device("cpu"),
        dtype=torch.float32,
        tile=None,
        streams=1,
        timesteps_after=lambda _n: [Fraction(1, 2)],
        warn=lambda _line: None,
    )


def _noise(width: int, height: int) -> vs.VideoFrame:
    import numpy as np
    import vapoursynth as vs

    generator = np.random.default_rng(0)
    core = vs.core.core
    frame = core.create_video_frame(core.get_video_format(vs.RGB24), width, height)
    for plane in range(3):
        np.asarray(frame[plane])[:] = generator.integers(16, 240, (height, width), dtype=np.uint8)
    return frame


def _render(engine: TorchEngine, frame: vs.VideoFrame) -> vs.VideoFrame:
    """The frame half-way through a window of one still frame."""
    from vsvfi.engine.base import Request

    # A window of distinct frame numbers: the engine does not interpolate between a frame and itself.
    frames = dict.fromkeys(range(len(engine.info.window)), frame)
    return engine.render(Request(0, tuple(frames), Fraction(1, 2), frames))


@contextmanager
def _spying(backend: TorchBackend, sides: list[int]) -> Iterator[None]:
    """Write down the sides of all frames that ``backend`` encodes."""
    encode = backend.encode

    def spy(frame: Tensor) -> Any:
        sides.extend(frame.shape[-2:])
        return encode(frame)

    with patch.object(backend, "encode", spy):
        yield


def check_odd_size(info: BackendInfo) -> None:
    """Frames of an odd size keep it; the model is given sizes that it can work on, at any scale of motion."""
    width, height = 37, 41
    network = example_network(info)
    for scale in (1, Fraction(1, 4)) if info.supports_flow_scale else (1,):
        backend = example_backend(info, network, Options(flow_scale=Fraction(scale)))
        sides: list[int] = []
        with _spying(backend, sides):
            frame = _render(_engine(backend), _noise(width, height))
        assert sides, "the filter never called encode, expected once a frame"
        # A backend that resizes by itself says so with a multiple of its own; others get frames to shrink evenly.
        evenly = scale if type(backend).multiple is TorchBackend.multiple else 1
        for side in sides:
            assert side >= info.minimum, f"at scale {scale} the model was given {side} pixels, expected {info.minimum}"
            assert side * evenly % info.multiple == 0, (
                f"at scale {scale} the model was given {side} pixels, expected a multiple of {info.multiple}: "
                "check the "
                "property multiple"
            )
        got, wanted = (frame.width, frame.height), (width * info.spatial_scale, height * info.spatial_scale)
        assert got == wanted, (
            f"at scale {scale} the filter returned {got[0]}x{got[1]}, expected {wanted[0]}x{wanted[1]}"
        )


def check_freed(info: BackendInfo) -> None:
    """Once the filter's engine is gone, so are the network and what was cached."""
    backend = example_backend(info)
    engine = _engine(backend)
    network, gone = weakref.ref(backend.network), weakref.ref(engine)
    _render(engine, _noise(36, 32))
    del backend, engine
    gc.collect()
    assert gone() is None, "something keeps the engine alive, and with it its caches: a closure, or a global"
    assert network() is None, "something keeps the network alive after the filter is gone: a hook, a cache, or a global"


def check_tiles(info: BackendInfo) -> None:
    """A model that tiles itself gives in small tiles what it gives for the whole frame."""
    backend = example_backend(info)
    frames = example_frames(backend)
    steps = (0.3, 0.6) if info.timesteps == "any" else (0.5,)
    tiled, whole = interpolate(backend.in_tiles((24, 40)), frames, *steps), interpolate(backend, frames, *steps)
    assert torch.allclose(tiled, whole, atol=1e-4, rtol=1e-4), (
        f"in tiles of 24x40 frames differ by up to {_difference(tiled, whole):.2g} from the whole, expected at "
        "most 1e-4: a "
        "tile needs a margin of the radius that its pixels depend on, or tiling='supported'"
    )


def check_compiled(info: BackendInfo) -> None:
    """``torch.compile`` makes one graph of a backend, which gives what eager execution gives."""
    backend = example_backend(info)
    frames = example_frames(backend)
    torch.compiler.reset()
    # Traced and functionalized, but not lowered to C++, which takes minutes.
    compiled = torch.compile(interpolate, backend="aot_eager", fullgraph=True)
    got, wanted = compiled(backend, frames), interpolate(backend, frames)
    assert torch.allclose(got, wanted, atol=1e-4, rtol=1e-4), (
        f"compiled, frames differ by up to {_difference(got, wanted):.2g}, expected at most 1e-4"
    )


def applicable(info: BackendInfo) -> list[Check]:
    """The checks that apply to a backend, but for `check_compiled`."""
    checks: list[Check] = [check_shapes, check_deterministic, check_odd_size, check_freed]
    if info.timesteps == "any":
        checks.append(check_timesteps)
    if info.supports_half or info.supports_bfloat16:
        checks.append(check_low_precision)
    if info.qualities or info.supports_flow_scale:
        checks.append(check_options)
    if info.build:
        checks.append(check_state_dict)
        if _beside_build(info, "FLOW_HEADS"):
            checks.append(check_still)
    if info.spatial_scale > 1:
        checks.append(check_source_frames)
    if info.tiling == "internal":
        checks.append(check_tiles)
    return checks
