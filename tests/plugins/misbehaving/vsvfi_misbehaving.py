"""Models that break their contract, each in one way: the name says where and how (``planes-encode-SystemExit``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from vsvfi.models.info import BackendInfo, Options
from vsvfi.models.registry import hookimpl


class Unspeakable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Base(BaseException):
    """An exception that ``except Exception`` does not catch."""


RAISED: dict[str, BaseException] = {
    "ZeroDivisionError": ZeroDivisionError("the numbers\nran out"),
    "SystemExit": SystemExit("leaving"),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "Base": Base("beyond Exception"),
    "Unspeakable": Unspeakable(),
    "surrogates": ValueError("not \udcff text \x1b[31m\x00"),
    "long": ValueError("x" * 100_000),
    "MemoryError": MemoryError(),
}
PLACES = ("init", "encode", "prepare", "synthesize")
PLANES = ("writes-nothing", "writes-half", "leaves-a-column", "writes-nan", "writes-inf", "keeps-the-planes")
TORCH = (
    "returns-none",
    "returns-a-number",
    "returns-numpy",
    "returns-two-frames",
    "returns-no-frame",
    "returns-small-frames",
    "returns-gray",
    "returns-integers",
    "returns-nan",
    "returns-inf",
    "changes-window-in-encode",
    "changes-window-in-prepare",
    "changes-window-in-synthesize",
)


class Planes:
    """Works on native planes, but for one thing."""

    def __init__(self, info: BackendInfo, options: Options) -> None:
        self.info = info
        self.kept: list[Any] = []
        self.at("init")

    def at(self, place: str) -> None:
        if self.info.name.startswith(f"planes-{place}-"):
            raise RAISED[self.info.name.removeprefix(f"planes-{place}-")]

    def encode(self, frame: Any) -> None:
        self.at("encode")

    def prepare(self, window: Sequence[Any], encoded: Sequence[Any]) -> Any:
        self.at("prepare")
        return window[0]

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[Any]) -> None:
        self.at("synthesize")
        fault = self.info.name.removeprefix("planes-")
        if fault == "writes-nothing":
            return
        for plane, target in zip(state.planes, out, strict=True):
            target[...] = plane
        if fault == "writes-nan":
            out[0][0, 0] = np.nan
        elif fault == "writes-inf":
            out[-1][-1, -1] = np.inf
        elif fault == "keeps-the-planes":
            self.kept.extend(out)


class Partly(Planes):
    """Leaves some samples as they were."""

    def synthesize(self, state: Any, timestep: Fraction, out: Sequence[Any]) -> None:
        for plane, target in zip(state.planes, out, strict=True):
            if self.info.name.endswith("half"):
                target[: len(target) // 2] = plane[: len(target) // 2]
            else:
                target[:, 1:] = plane[:, 1:]


def _infos() -> Iterator[BackendInfo]:
    for place in PLACES:
        for what in RAISED:
            yield _info(f"planes-{place}-{what}", "vsvfi_misbehaving:Planes", planes=True)
            if what != "long":
                yield _info(f"torch-{place}-{what}", "vsvfi_torch_misbehaving:Torch")
    for what in PLANES:
        partly = what in ("writes-half", "leaves-a-column")
        yield _info(f"planes-{what}", f"vsvfi_misbehaving:{'Partly' if partly else 'Planes'}", planes=True)
    for what in TORCH:
        yield _info(f"torch-{what}", "vsvfi_torch_misbehaving:Torch")
    yield _info("large-returns-source", "vsvfi_torch_misbehaving:Torch", spatial_scale=4)
    yield _info("module-missing", "vsvfi_nowhere:Backend")
    yield _info("class-missing", "vsvfi_misbehaving:Nothing", planes=True)
    yield _info("class-is-a-number", "vsvfi_misbehaving:NUMBER", planes=True)
    yield _info("class-takes-nothing", "builtins:object", planes=True)
    yield _info("path-is-empty", ":", planes=True)


NUMBER = 7


def _info(name: str, backend: str, **given: Any) -> BackendInfo:
    return BackendInfo(name=name, summary="for tests", backend=backend, **given)


@hookimpl
def vsvfi_backends() -> list[BackendInfo]:
    return list(_infos())
