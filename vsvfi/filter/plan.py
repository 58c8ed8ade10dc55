"""Interpolate: checks what the user asks for, plans the timeline, builds the nodes; and DetectScenes.

The native plugin (vsvfi/native) calls `plan_interpolate` when a script calls ``core.vsvfi.Interpolate``, and the
functions that the plan holds for the frames that have to be made.
"""

from __future__ import annotations

import math
import os
import struct
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import vapoursynth as vs

from vsvfi.engine.base import Engine, PlaneEngine, Request, recursion_depth, window_offsets
from vsvfi.engine.frames import crossfade, new_frame, plane_frame, writable_planes
from vsvfi.errors import VsvfiError
from vsvfi.models import registry, weights
from vsvfi.models.availability import usable_models
from vsvfi.models.info import BackendInfo, Options, load_object
from vsvfi.timeline import MAX_TERM, Placed, Timeline, Uniform, as_factor

if TYPE_CHECKING:
    import torch

__all__ = ["interpolate", "plan_interpolate"]

SC_MODES = ("hold", "nearest", "blend")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")
DUPLICATES = ("keep", "bridge")
FLOW_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
MAX_DEPTH = 6
"""Halvings of an interval by a midpoint-only model: factor 64."""


def interpolate(
    clip: vs.VideoNode,
    *,
    model: str = "flow",
    factor: float | None = None,
    factor_num: int | None = None,
    factor_den: int | None = None,
    fps_num: int | None = None,
    fps_den: int | None = None,
    sc: bool = True,
    sc_threshold: float | None = None,
    sc_mode: Literal["hold", "nearest", "blend"] = "hold",
    device: str = "auto",
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto",
    weights: str | Sequence[str] | None = None,
    quality: Literal["fast", "balanced", "best"] | None = None,
    scale: float | None = None,
    tile: int | tuple[int, int] | None = None,
    num_streams: int | None = None,
    duplicates: Literal["keep", "bridge"] = "keep",
) -> vs.VideoNode:
    """Interpolate new frames into a clip: the typed twin of ``core.vsvfi.Interpolate``.

    Args:
        clip: a progressive clip of constant format and size.
        model: which model makes the new frames; ``vsvfi models`` lists them.
        factor: output frames per source frame, above 1; the nearest rational with a denominator up to 1001 is taken.
        factor_num: with ``factor_den``, the exact factor.
        factor_den: see ``factor_num``; 1 if left out.
        fps_num: with ``fps_den``, the output's frame rate instead of a factor.
        fps_den: see ``fps_num``; 1 if left out.
        sc: whether to leave scene changes alone.
        sc_threshold: sensitivity of the built-in scene detector, in (0, 1]; lower finds more.
        sc_mode: what is shown between the two frames at a cut: the earlier, the nearer, or a cross-fade.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: of convolutions; ``auto`` is fp16 on CUDA where the model allows it, else fp32.
        weights: added weights by name, or files, for models that have them.
        quality: ``fast``, ``balanced`` or ``best``, for models that have the choice.
        scale: the size at which motion is estimated, for models that have the choice: 0.25, 0.5, 1, 2 or 4.
        tile: width and height (or one number for both) of the tiles to work in, at least 64.
        num_streams: frames worked on at once by a torch model.
        duplicates: ``keep`` repeated frames, or ``bridge`` them: interpolate over the whole gap.

    Raises:
        vapoursynth.Error: an argument is out of its range, or the model cannot be used; one line says why.
    """
    arguments = {name: value for name, value in locals().items() if name != "clip" and value is not None}
    if isinstance(tile, tuple):
        arguments["tile"] = list(tile)
    result: vs.VideoNode = vs.core.vsvfi.Interpolate(clip, **arguments)  # type: ignore[attr-defined]
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked arguments."""

    info: BackendInfo
    options: Options
    device: str
    precision: str
    weights: tuple[str, ...]
    tile: tuple[int, int] | None
    streams: int
    sc: bool
    sc_threshold: float | None
    sc_mode: str
    bridge: bool


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise VsvfiError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def _strings(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _tile(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    sizes = [] if value is None else [value] if isinstance(value, int) else list(value)
    if not sizes or sizes in ([0], [0, 0]):
        return None
    if len(sizes) > 2 or min(sizes) < 64:
        raise VsvfiError(f"tile must be one or two numbers of at least 64 (width, height), or 0 for none, got {sizes}")
    return sizes[-1], sizes[0]


def _flow_scale(info: BackendInfo, value: float | None) -> Fraction:
    if value is None or value == 1:
        return Fraction(1)
    if value not in FLOW_SCALES:
        raise VsvfiError(f"scale must be one of {', '.join(f'{s:g}' for s in FLOW_SCALES)}, got {value:g}")
    if not info.supports_flow_scale:
        raise VsvfiError(f"model {info.name!r} cannot estimate motion at another scale; leave scale out")
    return Fraction(value)


def _quality(info: BackendInfo, value: str | None) -> str:
    if not value:
        return ""
    if not info.qualities:
        raise VsvfiError(f"model {info.name!r} has no choice of quality; leave quality out")
    return _one_of("quality", value, info.qualities)


def check_settings(
    *,
    model: str = "flow",
    sc: int = 1,
    sc_threshold: float | None = None,
    sc_mode: str = "hold",
    device: str = "auto",
    precision: str = "auto",
    weights: str | Sequence[str] | None = None,
    quality: str | None = None,
    scale: float | None = None,
    tile: int | Sequence[int] | None = None,
    num_streams: int | None = None,
    duplicates: str = "keep",
) -> Settings:
    """Everything but clip and time, checked.

    Raises:
        VsvfiError: the first argument that is wrong, with what it may be.
    """
    info = registry.find(model)
    if sc_threshold is not None and not 0 < sc_threshold <= 1:
        raise VsvfiError(f"sc_threshold must be above 0 and at most 1, got {sc_threshold:g}")
    if num_streams is not None and not 1 <= num_streams <= 32:
        raise VsvfiError(f"num_streams must be from 1 to 32, got {num_streams}")
    chosen = _strings(weights)
    if chosen and not info.build:
        raise VsvfiError(f"model {info.name!r} has no weights; leave weights out")
    return Settings(
        info=info,
        options=Options(quality=_quality(info, quality), flow_scale=_flow_scale(info, scale)),
        device=_device_name(info, device),
        precision=_one_of("precision", precision, PRECISIONS),
        weights=chosen,
        tile=_tile(tile),
        streams=num_streams or 1,
        sc=bool(sc),
        sc_threshold=sc_threshold,
        sc_mode=_one_of("sc_mode", sc_mode, SC_MODES),
        bridge=_one_of("duplicates", duplicates, DUPLICATES) == "bridge",
    )


def _device_name(info: BackendInfo, device: str) -> str:
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdecimal())):
        raise VsvfiError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {device!r}")
    if info.planes and kind in ("cuda", "mps"):
        raise VsvfiError(f"model {info.name!r} runs on the CPU only; use device='auto', got {device!r}")
    return device


def check_clip(clip: vs.VideoNode) -> None:
    """Refuse clips that have no one format and size.

    Raises:
        VsvfiError: what the clip is, and what to do.
    """
    if clip.format is None or clip.format.color_family == vs.UNDEFINED:
        raise VsvfiError(
            "the clip's format varies; convert it first, for example with resize.Bicubic(format=vs.YUV420P8)"
        )
    if clip.width == 0 or clip.height == 0:
        raise VsvfiError(
            "the clip's size varies; scale it first, for example with resize.Bicubic(width=..., height=...)"
        )


def check_progressive(props: Mapping[str, Any], n: int) -> None:
    """Refuse a field-based frame.

    Raises:
        VsvfiError: frame ``n`` is interlaced by its properties.
    """
    if props.get("_FieldBased", 0) > 0:
        raise VsvfiError(
            f"frame {n} is field-based (interlaced); deinterlace the clip first (bwdif.Bwdif or QTGMC), or, "
            "if it is progressive, clear the flag with std.SetFieldBased(value=0)"
        )


def plan_timeline(
    clip: vs.VideoNode,
    *,
    factor: float | None = None,
    factor_num: int | None = None,
    factor_den: int | None = None,
    fps_num: int | None = None,
    fps_den: int | None = None,
) -> Timeline:
    """Where the output frames lie.

    Raises:
        VsvfiError: arguments that contradict each other or are out of range.
    """
    by_rate = fps_num is not None or fps_den is not None
    ways = [factor is not None, factor_num is not None or factor_den is not None, by_rate]
    if sum(ways) > 1:
        raise VsvfiError("give one of factor, factor_num/factor_den and fps_num/fps_den, not several")
    terms = {"factor_num": factor_num, "factor_den": factor_den, "fps_num": fps_num, "fps_den": fps_den}
    for name, value in terms.items():
        if value is not None and not 1 <= value <= MAX_TERM:
            raise VsvfiError(f"{name} must be from 1 to {MAX_TERM}, got {value}")
    try:
        if by_rate:
            if fps_num is None:
                raise VsvfiError("fps_den needs fps_num")
            return _to_rate(clip, Fraction(fps_num, fps_den or 1))
        if ways[1]:
            if factor_num is None:
                raise VsvfiError("factor_den needs factor_num")
            exact = Fraction(factor_num, factor_den or 1)
        elif factor is None:
            exact = Fraction(2)
        elif not math.isfinite(factor) or factor <= 1:
            raise VsvfiError(f"factor must be greater than 1, got {factor:g}")
        else:
            exact = as_factor(factor)
        return Uniform(clip.num_frames, exact)
    except VsvfiError:
        raise
    except ValueError as error:
        raise VsvfiError(str(error)) from None


def _to_rate(clip: vs.VideoNode, fps: Fraction) -> Timeline:
    if clip.fps == 0:
        return Placed(_durations(clip), fps)
    if fps <= clip.fps:
        raise VsvfiError(f"the target rate must be above the clip's {clip.fps} fps, got {fps}")
    return Uniform(clip.num_frames, fps / clip.fps)


def _durations(clip: vs.VideoNode) -> list[Fraction]:
    durations = []
    for n, frame in enumerate(clip.frames(close=True)):
        num, den = frame.props.get("_DurationNum", 0), frame.props.get("_DurationDen", 0)
        if not (isinstance(num, int) and isinstance(den, int) and num > 0 and den > 0):
            raise VsvfiError(f"frame {n} of a variable-frame-rate clip has no _DurationNum and _DurationDen")
        durations.append(Fraction(num, den))
    return durations


def check_reachable(info: BackendInfo, timeline: Timeline) -> int:
    """How often midpoints must be halved for every timestep of the timeline (0 for models of any timestep).

    Raises:
        VsvfiError: the model only makes midpoints, and some timestep is not reached by halving.
    """
    if info.timesteps == "any":
        return 0
    limit = 1 if info.spatial_scale > 1 else MAX_DEPTH
    depth = 0
    for t in timeline.timesteps():
        reached = recursion_depth(t)
        if reached is None or reached > limit:
            others = [other.name for other in registry.backends().values() if other.timesteps == "any"]
            usable = [name for name in usable_models() if name in others]
            factors = ", ".join(str(2**k) for k in range(1, min(limit, 4) + 1)) + (" ..." if limit > 4 else "")
            raise VsvfiError(
                f"model {info.name!r} makes midpoints only and cannot reach timestep {t}; use factor {factors}, "
                f"or one of the {len(others)} models for any timestep (vsvfi models; usable now: {', '.join(usable)})"
            )
        depth = max(depth, reached)
    return depth


def _torch_device(name: str) -> torch.device:
    import torch

    kind = name.partition(":")[0]
    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise VsvfiError(f"device {name!r}: CUDA is not available here; use device='cpu', and see: vsvfi doctor")
        if torch.device(name).index is not None and torch.device(name).index >= torch.cuda.device_count():
            raise VsvfiError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA devices")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise VsvfiError("device 'mps': Metal is not available here; use device='cpu'")
    return torch.device(name)


def _torch_dtype(info: BackendInfo, device: torch.device, precision: str) -> torch.dtype:
    import torch

    if precision == "auto":
        precision = "fp16" if device.type == "cuda" and info.supports_half else "fp32"
    if precision == "fp16" and not info.supports_half:
        raise VsvfiError(f"model {info.name!r} does not work in fp16; use precision='fp32'")
    if precision == "bf16" and not info.supports_bfloat16:
        raise VsvfiError(f"model {info.name!r} does not work in bf16; use precision='fp32'")
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]


def create_engine(settings: Settings, timeline: Timeline, core: vs.Core) -> Engine:
    """The engine for a model, its weights loaded.

    Raises:
        VsvfiError: the device is not there, torch is missing, or the weights cannot be used.
    """
    info = settings.info
    if info.planes:
        return PlaneEngine(info, load_object(info.backend)(info, settings.options), core)
    paths = weights.locate(info, settings.weights) if info.build else []
    try:
        import torch  # noqa: F401
    except ImportError:
        raise VsvfiError(f"model {info.name!r} needs PyTorch: pip install 'vsvfi[torch]'") from None
    from vsvfi.engine.networks import TorchEngine

    device = _torch_device(settings.device)
    dtype = _torch_dtype(info, device, settings.precision)
    network = weights.assemble(info, [weights.read(path) for path in paths]) if info.build else _no_network()
    return TorchEngine(
        info,
        load_object(info.backend)(info, network.to(device), settings.options),
        core,
        device=device,
        dtype=dtype,
        tile=settings.tile,
        streams=settings.streams,
        timesteps_after=timeline.timesteps_after,
        warn=lambda text: core.log_message(vs.MESSAGE_TYPE_WARNING, f"vsvfi.Interpolate: {text}"),
    )


def _no_network() -> torch.nn.Module:
    from torch import nn

    return nn.Identity()


type Frames = vs.VideoFrame | list[vs.VideoFrame]
"""VapourSynth hands over lists of one element as that element."""


def _render_function(engine: Engine) -> Callable[..., dict[str, Any]]:
    def render(*, n: int, t_num: int, t_den: int, blend: int, index: int | list[int], frames: Frames) -> dict[str, Any]:
        numbers = [index] if isinstance(index, int) else list(index)
        given = frames if isinstance(frames, list) else [frames]
        try:
            for number, frame in zip(numbers, given, strict=True):
                check_progressive(frame.props, number)
            if blend:
                return {"frame": _crossfade(engine.core, given[0], given[1], t_num / t_den)}
            request = Request(n, tuple(numbers), Fraction(t_num, t_den), dict(zip(numbers, given, strict=True)))
            return {"frame": engine.render(request)}
        except VsvfiError as error:
            return {"error": str(error)}
        except Exception as error:  # whatever a backend raises must reach the user as one line
            return {"error": _unexpected(engine.info, n, error)}

    return render


def _unexpected(info: BackendInfo, n: int, error: Exception) -> str:
    if os.environ.get("VSVFI_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    return f"model {info.name!r} failed at output frame {n}: {type(error).__name__}: {text} (VSVFI_DEBUG=1 shows where)"


def _crossfade(core: vs.Core, first: vs.VideoFrame, second: vs.VideoFrame, weight: float) -> vs.VideoFrame:
    frame = new_frame(core, first)
    crossfade(plane_frame(first), plane_frame(second), weight, writable_planes(frame))
    return frame


def plan_interpolate(clip: vs.VideoNode, **arguments: Any) -> dict[str, Any]:
    """What the native node needs: timeline, window, the function that renders frames, the node that resolves windows.

    Raises:
        VsvfiError: anything that is wrong with clip or arguments.
    """
    from vsvfi.filter.windows import windows_node

    time = {name: arguments.pop(name, None) for name in ("factor", "factor_num", "factor_den", "fps_num", "fps_den")}
    settings = check_settings(**arguments)
    info = settings.info
    check_clip(clip)
    timeline = plan_timeline(clip, **time)
    depth = check_reachable(info, timeline)
    if info.build:
        weights.locate(info, settings.weights)
    with clip.get_frame(0) as frame:
        check_progressive(frame.props, 0)
    core = vs.core.core
    engine = create_engine(settings, timeline, core)
    offsets = window_offsets(info, depth)
    plan: dict[str, Any] = {
        "clip": clip,
        "render": _render_function(engine),
        "offsets": list(offsets),
        "cut_mode": SC_MODES.index(settings.sc_mode),
        "always_render": int(info.spatial_scale > 1),
        "bridge": int(settings.bridge),
        "spatial_scale": info.spatial_scale,
        "outputs": len(timeline),
    }
    if settings.sc or settings.bridge:
        plan["windows"] = windows_node(
            clip, offsets, scenes=settings.sc, threshold=settings.sc_threshold, bridge=settings.bridge
        )
    if isinstance(timeline, Uniform):
        rate = clip.fps * timeline.factor
        plan |= {"step_num": timeline.factor.numerator, "step_den": timeline.factor.denominator}
    else:
        rate = timeline.fps
        plan["table"] = b"".join(struct.pack("=5q", *row) for row in timeline.table())
    return plan | {"fps_num": rate.numerator, "fps_den": rate.denominator if rate else 0}
