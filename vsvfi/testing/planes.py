"""Conformance checks for backends that work on native planes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vsvfi.models.info import BackendInfo, Options, PlaneBackend, PlaneFrame, load_object

__all__ = [
    "CHECKS",
    "check_deterministic",
    "check_formats",
    "check_qualities",
    "check_still",
    "example_backend",
    "example_frame",
    "interpolate",
]

type Check = Callable[[BackendInfo], None]
type Format = tuple[Literal["GRAY", "RGB", "YUV"], type[np.generic], int, tuple[int, int]]

# Family, sample type, bits, subsampling.
FORMATS: tuple[Format, ...] = (
    ("YUV", np.uint8, 8, (1, 1)),
    ("YUV", np.uint16, 10, (1, 0)),
    ("YUV", np.uint8, 8, (2, 2)),
    ("YUV", np.float32, 32, (0, 0)),
    ("RGB", np.uint8, 8, (0, 0)),
    ("RGB", np.uint16, 16, (0, 0)),
    ("GRAY", np.uint8, 8, (0, 0)),
    ("GRAY", np.float16, 16, (0, 0)),
)


def example_backend(info: BackendInfo, options: Options | None = None) -> PlaneBackend:
    """A backend with the given options."""
    backend: PlaneBackend = load_object(info.backend)(info, options or Options())
    return backend


def example_frame(form: Format = FORMATS[0], size: tuple[int, int] = (44, 52), *, shift: int = 0) -> PlaneFrame:
    """A frame of smooth texture, moved to the right by ``shift`` luma pixels."""
    family, dtype, bits, subsampling = form
    planes = []
    for index in range(1 if family == "GRAY" else 3):
        across, down = subsampling if family == "YUV" and index else (0, 0)
        y, x = np.mgrid[: size[0] >> down, : size[1] >> across].astype(np.float64)
        x, y = (x * (1 << across)) - shift, y * (1 << down)
        value = 0.5 + 0.2 * np.sin(x / 5 + index) + 0.2 * np.cos(y / 4 - x / 9)
        if np.issubdtype(dtype, np.floating):
            plane = (value - 0.5 if family == "YUV" and index else value).astype(dtype)
        else:
            plane = np.round(value * ((1 << bits) - 1)).astype(dtype)
        plane.flags.writeable = False
        planes.append(plane)
    return PlaneFrame(tuple(planes), family, bits, subsampling, full_range=family == "RGB")


def interpolate(
    backend: PlaneBackend, window: list[PlaneFrame], t: Fraction = Fraction(1, 2)
) -> tuple[NDArray[Any], ...]:
    """The planes of the frame at ``t``.

    Raises:
        AssertionError: the backend left samples unwritten, which would show what was in memory before.
    """
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    results: list[tuple[NDArray[Any], ...]] = []
    for byte in (0x00, 0xFF):
        out = tuple(_filled(plane, byte) for plane in window[0].planes)
        backend.synthesize(state, t, out)
        results.append(out)
    for index, (first, second) in enumerate(zip(*results, strict=True)):
        both_nan = (first != first) & (second != second)
        left = int(((first != second) & ~both_nan).sum())
        assert not left, f"synthesize left {left} samples of plane {index} unwritten: fill all of out"
    return results[0]


def _filled(like: NDArray[Any], byte: int) -> NDArray[Any]:
    """An array in which every byte is the same; in floats 0xFF is NaN."""
    return np.frombuffer(bytearray([byte]) * like.nbytes, like.dtype).reshape(like.shape)


def _name(form: Format) -> str:
    family, _, bits, subsampling = form
    return f"{family} of {bits} bits, subsampled by {subsampling}"


def _window(info: BackendInfo, form: Format = FORMATS[0], *, motion: int = 3) -> list[PlaneFrame]:
    return [example_frame(form, shift=motion * offset) for offset in info.window]


def check_formats(info: BackendInfo) -> None:
    """Every format is filled completely, within its range, and the given planes are only read."""
    backend = example_backend(info)
    for form in FORMATS:
        window = _window(info, form)
        before = [plane.copy() for frame in window for plane in frame.planes]
        out = interpolate(backend, window)
        for plane in out:
            if plane.dtype.kind == "f":
                wrong = int((~np.isfinite(plane)).sum())
                assert not wrong, f"{_name(form)}: {wrong} samples are NaN or infinite"
            else:
                wrong = int((plane >= 1 << form[2]).sum())
                assert not wrong, f"{_name(form)}: {wrong} samples are above {(1 << form[2]) - 1}"
        after = [plane for frame in window for plane in frame.planes]
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)), (
            f"{_name(form)}: a plane of the window was changed; other windows share it, so work on a copy"
        )


def check_still(info: BackendInfo) -> None:
    """A still picture stays within one code value at any time."""
    backend = example_backend(info)
    for form in FORMATS[:5]:
        window = _window(info, form, motion=0)
        tolerance = 1 if np.issubdtype(form[1], np.integer) else 1e-3
        for t in (Fraction(1, 100), Fraction(1, 2), Fraction(99, 100)):
            for got, wanted in zip(interpolate(backend, window, t), window[0].planes, strict=True):
                off = np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max()
                assert off <= tolerance, (
                    f"{_name(form)} at {t}: a still picture changes by up to {off:.3g}, expected at most {tolerance}"
                )


def check_deterministic(info: BackendInfo) -> None:
    """The same state gives the same frame, bit for bit, whatever was asked in between."""
    backend = example_backend(info)
    window = _window(info)
    state = backend.prepare(window, [backend.encode(frame) for frame in window])
    results = []
    steps = (Fraction(1, 3), Fraction(2, 3), Fraction(1, 3)) if info.timesteps == "any" else (Fraction(1, 2),) * 3
    for t in steps:
        out = tuple(np.zeros_like(plane) for plane in window[0].planes)
        backend.synthesize(state, t, out)
        results.append(out)
    again = interpolate(example_backend(info), window, steps[0])
    for other in (results[2], again):
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True)), (
            f"the frame at {steps[0]} changed when asked for again, expected the same bits: synthesize changes what "
            "prepare returned, or does not write all of out"
        )


def check_qualities(info: BackendInfo) -> None:
    """Every quality, and another scale of motion, gives a whole frame."""
    choices = [Options(quality=quality) for quality in info.qualities]
    if info.supports_flow_scale:
        choices.append(Options(flow_scale=Fraction(1, 2)))
    for options in choices:
        out = interpolate(example_backend(info, options), _window(info))
        assert all(plane.max() < 255 for plane in out), f"with {options} some samples are 255"


CHECKS: tuple[Check, ...] = (check_formats, check_still, check_deterministic, check_qualities)
