"""Planes to RGB and back: the kernels against plain torch, in every format and chroma siting."""

from __future__ import annotations

import itertools

import pytest
import torch

from vsvfi.ops import color
from vsvfi.ops.color import CENTER, FIRST, LAST, Margins, Matrix, PlaneLayout

MATRIX: Matrix = ((1.0, 0.0, 1.5748), (1.0, -0.1873, -0.4681), (1.0, 1.8556, 0.0))


def layout(
    family: str,
    dtype: torch.dtype,
    subsampling: tuple[int, int] = (0, 0),
    sites: tuple[int, int] = (0, 0),
    size: tuple[int, int] = (48, 32),
) -> PlaneLayout:
    peak = {torch.uint8: 255, torch.uint16: 1023}.get(dtype, 0)
    first, second, third = torch.tensor(MATRIX, dtype=torch.float64).inverse().tolist()
    gain, offset = ((219.0, 224.0), (16.0, 128.0)) if peak else ((1.0, 1.0), (0.0, 0.0))
    inverse = (tuple(first), tuple(second), tuple(third))
    return PlaneLayout(*size, family, dtype, subsampling, sites, peak, MATRIX, inverse, gain, offset)


def every_layout() -> list[PlaneLayout]:
    plain = [layout(family, dtype) for family in ("GRAY", "RGB", "YUV") for dtype in color.SAMPLE_TYPES]
    sites = itertools.product((FIRST, CENTER, LAST), (FIRST, CENTER, LAST))
    subsamplings = ((1, 0), (0, 1), (1, 1), (2, 0), (2, 2), (4, 3))
    chosen = itertools.product(subsamplings, sites, (torch.uint8, torch.float32))
    return plain + [layout("YUV", dtype, subsampling, site) for subsampling, site, dtype in chosen]


def samples(given: PlaneLayout) -> torch.Tensor:
    values = torch.rand(given.size, generator=torch.Generator().manual_seed(0))
    return (values * (given.peak or 1)).to(given.dtype)


@pytest.mark.parametrize("given", every_layout(), ids=lambda g: f"{g.family}-{g.dtype}-{g.subsampling}-{g.sites}")
def test_kernels_give_what_torch_gives(given: PlaneLayout) -> None:
    packed, margins = samples(given), Margins(3, 5, 2, 6)
    ours = color.planes_to_rgb(packed, given, margins)
    torch.testing.assert_close(ours, color._to_rgb(packed, given, margins), rtol=0, atol=1e-5)
    rgb = torch.rand(ours.shape, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    planes = color.rgb_to_planes(rgb, given, 3, 2).double()
    expected = color._to_planes(rgb[..., 2 : 2 + given.height, 3 : 3 + given.width], given).double()
    # A sum in another order may fall on the other side of a half.
    assert (planes - expected).abs().max() <= (1 if given.peak else 1e-3)
    assert (planes != expected).double().mean() < (0.001 if given.peak else 1)


@pytest.mark.parametrize("given", every_layout(), ids=lambda g: f"{g.family}-{g.dtype}-{g.subsampling}-{g.sites}")
def test_there_and_back_is_the_identity(given: PlaneLayout) -> None:
    packed = samples(given)
    back = color.rgb_to_planes(color.planes_to_rgb(packed, given), given)
    torch.testing.assert_close(back.double(), packed.double(), rtol=0, atol=0 if given.peak else 1e-3)


def test_every_half_is_read_and_written() -> None:
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.float16)
    given = layout("RGB", torch.float16, size=(256, 256))
    rgb = color.planes_to_rgb(bits.repeat(3), given)
    assert torch.equal(rgb[0, 0].flatten().nan_to_num(7), bits.float().nan_to_num(7))
    back = color.rgb_to_planes(rgb, given)[: 2**16]
    assert torch.equal(back.nan_to_num(7), bits.nan_to_num(7))


def test_values_between_halves_are_rounded_as_torch_rounds_them() -> None:
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-9, 6, (2**16,), generator=generator)
    values = torch.randn(2**16, generator=generator) * 10.0**exponents
    values[:5] = torch.tensor([65519.0, 65520.0, 6e-8, 3e-8, 2.9e-8])
    given = layout("RGB", torch.float16, size=(256, 256))
    rgb = values.view(1, 1, 256, 256).repeat(1, 3, 1, 1)
    assert torch.equal(color.rgb_to_planes(rgb, given)[: 2**16], values.half())


def test_integers_are_limited_and_ties_go_to_even() -> None:
    given = layout("RGB", torch.uint8, size=(8, 1))._replace(gain=(1.0, 1.0), offset=(0.0, 0.0))
    values = torch.tensor([0.5, 1.5, 2.5, -7.0, 254.5, 300.0, float("inf"), float("nan")])
    planes = color.rgb_to_planes(values.view(1, 1, 1, 8).repeat(1, 3, 1, 1), given)
    assert planes[:8].tolist() == [0, 2, 2, 0, 254, 255, 255, 0]


def test_derivatives_are_refused() -> None:
    given = layout("RGB", torch.float32)
    rgb = torch.rand(1, 3, 32, 48, requires_grad=True)
    with pytest.raises(RuntimeError, match="derivative"):
        color.rgb_to_planes(rgb, given).sum().backward()
