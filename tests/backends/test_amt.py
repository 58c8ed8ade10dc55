"""AMT: where it looks, what it shares between timesteps, and its published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.amt.backend import AMTBackend
from vsvfi.backends.amt.network import AMT, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.nets.geometry import pixel_grid
from vsvfi.nets.multifield import BidirectionalCorrelation

SIZES = ("amt-s", "amt-l", "amt-g")
MEAN = torch.full((1, 1, 1, 1), 0.5)


def network(name: str = "amt-s") -> AMT:
    torch.manual_seed(0)
    return example(name).eval().requires_grad_(False)


def frames(height: int = 64, width: int = 80) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 1, 3, height, width, generator=generator) * 0.5 + 0.25
    return first, second


def names(model: str) -> tuple[tuple[str, str], ...]:
    """From our names to the published ones."""
    low = r"update\1_low." if model == "amt-g" else r"update\1."
    return (
        (r"^feat_encoder\.layers\.3\.", "feat_encoder.layer3_2."),
        *((rf"^feat_encoder\.layers\.{n - 1}\.", f"feat_encoder.layer{n}.") for n in (1, 2, 3)),
        (r"^update([23])\.", low),
        (r"^refine(\d)\.", r"update\1_high."),
        (r"^blend\.", "comb_block."),
    )


def test_correlations_are_looked_up_as_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flow to frame 1 is divided by t and flow to frame 0 by 1 - t, which the checkpoints rely on."""
    amt: Any = network()
    amt.decoder4.convblock[2].weight.zero_()
    amt.decoder4.convblock[2].bias[:4] = torch.tensor([3.0, 0.0, 0.0, 6.0])
    seen: list[tuple[Tensor, Tensor]] = []
    lookup = BidirectionalCorrelation.lookup

    def spy(self: BidirectionalCorrelation, coords0: Tensor, coords1: Tensor, *, radius: int) -> tuple[Tensor, Tensor]:
        seen.append((coords0, coords1))
        return lookup(self, coords0, coords1, radius=radius)

    monkeypatch.setattr(BidirectionalCorrelation, "lookup", spy)
    amt(*frames(), torch.tensor([0.25]))
    grid = pixel_grid(8, 10)
    towards1, towards0 = (coords - grid for coords in seen[0])
    torch.testing.assert_close(towards1, torch.tensor([0.0, 6 / 0.25]).view(1, 2, 1, 1).expand(1, 2, 8, 10))
    torch.testing.assert_close(towards0, torch.tensor([3 / 0.75, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 10))
    # Again after the decoders at 1/4 and 1/2, always at 1/8 of the size.
    assert [coords0.shape for coords0, _ in seen] == [(1, 2, 8, 10)] * 3


def test_brightness_passes_through() -> None:
    """The common mean of both frames is taken off and put back on; the blend's convolutions see it."""
    amt: Any = network()
    amt.blend[2].weight.zero_()
    first, second = frames()
    steps = torch.tensor([0.5])
    result, brighter = amt(first, second, steps), amt(first + 0.125, second + 0.125, steps)
    inner = (result > 0) & (brighter < 1)
    assert inner.float().mean() > 0.5
    torch.testing.assert_close(brighter[inner], result[inner] + 0.125, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SIZES)
def test_fields(name: str) -> None:
    """As many pairs of flows as the last decoder makes, in fp32 also under autocast."""
    amt = network(name)
    pair = amt.prepare(*frames(64, 64), MEAN)
    with torch.autocast("cpu", torch.bfloat16):
        fields = amt.fields(pair, torch.tensor([0.5]))
    count = 3 if name == "amt-s" else 5
    assert [flow.shape[1] for flow in fields.flows] == [2 * count] * 2
    assert fields.mask.shape[1] == count
    assert fields.residual.shape[1] == 3 * count
    assert {tensor.dtype for tensor in (*fields.flows, fields.mask, fields.residual)} == {torch.float32}


def test_features_are_computed_once_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timestep runs an encoder again."""
    amt = network()
    calls: list[str] = []
    for name in ("encoder", "feat_encoder"):
        getattr(amt, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    backend = AMTBackend(registry.find("amt-s"), amt, Options())
    state = backend.prepare(frames(), (MEAN, MEAN))
    assert sorted(calls) == ["encoder"] * 2 + ["feat_encoder"] * 2
    backend.synthesize(state, torch.tensor([0.2, 0.7]))
    backend.synthesize(state, torch.tensor([0.4]))
    assert len(calls) == 4


def test_reduced_motion() -> None:
    """Motion on smaller frames: the flows are theirs, the result is of full size."""
    amt = network()
    pair = amt.prepare(*frames(160, 120), MEAN, 0.8)
    fields = amt.fields(pair, torch.tensor([0.5]))
    assert fields.mask.shape[-2:] == (128, 96)
    assert amt.render(pair, fields).shape == (1, 3, 160, 120)


@pytest.mark.parametrize("model", SIZES)
def test_published_file(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size is recognised by content alone, and only as itself."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    amt = network(model)
    state = published.rename(amt.state_dict(), names(model))
    found = weights.recognise({name: tuple(value.shape) for name, value in state.items()})
    assert [info.name for info, _ in found] == [model]
    assert published.add(tmp_path, "model.pth", {"state_dict": state}).model == model
    published.assert_same(amt, published.load(model))
