"""GIMM-VFI: the implicit motion in chunks and in batches, work shared between timesteps, weights in one file or two."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.gimm_vfi import backend as backend_module
from vsvfi.backends.gimm_vfi import network as network_module
from vsvfi.backends.gimm_vfi.backend import GIMMVFIBackend
from vsvfi.backends.gimm_vfi.network import GIMMVFI, build, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.nets.gimm.network import CoordinateNetwork, ImplicitMotion
from vsvfi.nets.tiles import receptive_radius

STEPS = torch.tensor([0.25, 0.5, 0.8])

ESTIMATOR = tuple((rf"^((?:flow_estimator\.)?[fc]net)\.layers\.{n - 1}\.", rf"\1.layer{n}.") for n in (1, 2, 3))
PUBLISHED = (
    *ESTIMATOR,
    (r"^motion\.encoder\.", "cnn_encoder."),
    (r"^motion\.refiner\.", "res_conv."),
    (r"^motion\.coordinate_network\.layers\.", "hyponet.params_dict.linear_wb"),
    (r"^motion\.", ""),
    (r"^matching_projection\.", "amt_fproj."),
    (r"^eighth_projection\.", "amt_last_cproj."),
    (r"^quarter_projection\.", "amt_second_last_cproj."),
    (r"^update_(low|high)\.", r"amt_update4_\1."),
    (r"^blend\.", "amt_comb_block."),
    (r"^(init|final)_decoder\.", r"amt_\1_decoder."),
)


@pytest.fixture
def network() -> GIMMVFI:
    torch.manual_seed(0)
    network = example("gimm-vfi-r").eval().requires_grad_(False)
    network.motion.g_filter.fill_(1 / 9)
    return network


def backend(network: GIMMVFI, scale: Fraction = Fraction(1)) -> GIMMVFIBackend:
    return GIMMVFIBackend(registry.find("gimm-vfi-r"), network, Options(flow_scale=scale))


def frames(height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 1, 3, height, width, generator=generator)
    return first, second


def test_coordinate_network_in_chunks() -> None:
    """How many positions are evaluated at a time makes no difference."""
    torch.manual_seed(0)
    network = CoordinateNetwork(4, 16)
    latent = torch.randn(3, 4, 13, 17)
    whole = network(latent, STEPS)
    network.chunk = 3 * 17 * 2
    torch.testing.assert_close(network(latent, STEPS), whole, atol=1e-6, rtol=0)


def test_coordinate_network_reads_latent_time_and_place() -> None:
    """The rows of the first matrix are the latent's, then t, y, x; y and x are those of pixel centres in [-1, 1]."""
    network = CoordinateNetwork(1, 4)
    expected = {"latent": 0.25, "t": 0.8, "y": -1 + 2 * (2 + 0.5) / 4, "x": -1 + 2 * (1 + 0.5) / 5}
    for row, value in enumerate(expected.values()):
        for index, layer in enumerate(network.layers):
            layer.data.zero_()
            layer.data[row if index == 0 else 0, 0] = 5.0
        # Columns have unit length, sines stand between the layers, and 0.5 is added to the result.
        for _ in range(4):
            value = torch.sin(torch.tensor(value)).item()
        result = network(torch.full((3, 1, 4, 5), 0.25), STEPS)
        assert result[2, 0, 2, 1].item() == pytest.approx(value + 0.5, abs=1e-6)


def test_no_motion_has_no_scale() -> None:
    """Frames without any motion give no motion, not a division by zero."""
    torch.manual_seed(0)
    motion = ImplicitMotion(width=2)
    still = torch.zeros(1, 2, 8, 9)
    normalized, flow = motion(motion.encode(still, still), STEPS)
    assert normalized.isfinite().all()
    assert flow.abs().max() < 1e-6


def test_inconsistent_motion_weighs_less() -> None:
    """Where the opposite flow does not lead back a pixel counts less."""
    motion = ImplicitMotion(width=2)
    motion.g_filter.fill_(1 / 9)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 1.0
    back = -flow
    back[..., 4:] = 3.0
    encoded = motion.encode(flow, back)
    assert encoded.weights[0][..., :3].min() > 1.9
    assert encoded.weights[0][..., 4:].max() < 1.5


def test_timesteps_together_and_in_groups(network: GIMMVFI, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch, groups, and one by one give the same frames."""
    model = backend(network)
    first, second = frames()
    state = model.prepare((first, second), (model.encode(first), model.encode(second)))
    together = model.synthesize(state, STEPS)
    monkeypatch.setattr(backend_module, "MOTION_PIXELS", 2 * 64 * 96)
    monkeypatch.setattr(backend_module, "RENDER_PIXELS", 1)
    torch.testing.assert_close(model.synthesize(state, STEPS), together, atol=1e-5, rtol=1e-5)
    alone = torch.cat([model.synthesize(state, step[None]) for step in STEPS])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


def test_rendering_in_tiles(network: GIMMVFI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of the final decoder give what the whole gives, without seams, also where motion crosses them."""
    first, second = frames(128, 96)
    pair = network.prepare(network.encode(first), network.encode(second))
    motion = torch.full((1, 2, 128, 96), 20.0)
    whole = network.render(pair, STEPS[:1], motion).frames
    decoded: list[int] = []
    network.final_decoder.convblock.register_forward_hook(lambda *_: decoded.append(1))
    monkeypatch.setattr(network_module, "TILE_PIXELS", 40 * 96)
    torch.testing.assert_close(network.render(pair, STEPS[:1], motion).frames, whole, atol=1e-5, rtol=0)
    assert len(decoded) == 4
    torch.testing.assert_close(network.render(pair, STEPS[:1], motion, (60, 60)).frames, whole, atol=1e-5, rtol=0)
    assert len(decoded) == 4 + 3 * 2


def test_tiles_overlap_by_the_receptive_radius(network: GIMMVFI) -> None:
    """One pixel reaches exactly so many rows up and down through the final decoder's convolutions."""
    block: Any = network.final_decoder.convblock
    for parameter in block.parameters():
        parameter.fill_(0.01 if parameter.dim() == 4 else 0)
    impulse = torch.zeros(1, block[0][0].in_channels, 41, 3, dtype=torch.float64)
    impulse[:, :, 20, 1] = 1
    rows = block.double()(impulse)[0, 0].abs().amax(1).nonzero().flatten()
    assert (20 - rows.min().item(), rows.max().item() - 20) == (receptive_radius(block), receptive_radius(block))


def test_flows_are_estimated_once_a_pair(network: GIMMVFI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features once a frame, two flows a pair, and none of it for a timestep."""
    calls: list[str] = []

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any) -> Any:
            calls.append(name)
            return method(*args)

        return spy

    estimator = network.flow_estimator
    for name in ("encode", "flow"):
        monkeypatch.setattr(estimator, name, counted(name, getattr(estimator, name)))
    model = backend(network)
    first, second = frames()
    state = model.prepare((first, second), (model.encode(first), model.encode(second)))
    assert calls == ["encode", "encode", "flow", "flow"]
    model.synthesize(state, STEPS)
    model.synthesize(state, STEPS[:1])
    assert len(calls) == 4


def test_a_pair_for_each_timestep(network: GIMMVFI) -> None:
    """In training every sample has its own time: the batch gives what the samples give alone."""
    first = torch.cat((frames()[0], frames()[1]))
    second = first.flip(0)
    steps = torch.tensor([0.3, 0.7])
    together = network(first, second, steps)
    alone = [network(first[i : i + 1], second[i : i + 1], steps[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_reduced_motion(network: GIMMVFI) -> None:
    """Motion on smaller frames, whatever the factor; the new frame is of full size."""
    first, second = frames(96, 160)
    for scale, size in ((Fraction(3, 4), (72, 120)), (Fraction(7, 10), (64, 112)), (Fraction(1, 4), (64, 64))):
        model = backend(network, scale)
        state = model.prepare((first, second), (model.encode(first), model.encode(second)))
        assert state.reduced[0].shape[-2:] == size
        assert state.motion.flows[0].shape[-2:] == size
        result = model.synthesize(state, STEPS[:1])
        assert result.shape == (1, 3, 96, 160)
        assert result.isfinite().all()


def test_motion_stays_in_single_precision(network: GIMMVFI) -> None:
    """Under autocast flows, latents and the motion at t are fp32."""
    first, second = frames(64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        pair = network.prepare(network.encode(first), network.encode(second))
        _, motion = network.motion(pair.motion, STEPS)
    tensors = (*pair.motion.flows, *pair.motion.latents, *pair.motion.weights, pair.correlation.forward.first, motion)
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect_shape: Callable[[str, tuple[int, ...]], None]) -> Path:
    """A data folder of the test's own, and small estimators recognised as the published ones are."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    expect_shape("update_block.encoder.convc1.weight", (32, 324, 1, 1))
    return tmp_path


def published_state(network: GIMMVFI) -> dict[str, Tensor]:
    """All tensors under their published names."""
    return published.rename(network.state_dict(), PUBLISHED)


def without_estimator(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The part of a published file that is not the flow estimator's."""
    return {name: value for name, value in state.items() if not name.startswith("flow_estimator.")}


def test_one_file(network: GIMMVFI, data: Path) -> None:
    """A file with the flow estimator in it is enough; its perceptual twin is another checkpoint of the same model."""
    state = published_state(network)
    assert published.add(data, "gimmvfi_r_arb_lpips.pt", {"state_dict": state}).name == "arb-lpips"
    stored = published.add(data, "gimmvfi_r_arb.pt", {"state_dict": state})
    assert (stored.model, stored.name, stored.part) == ("gimm-vfi-r", "arb", "")
    assert weights.locate(registry.find("gimm-vfi-r")) == [stored.path]
    published.assert_same(network, published.load("gimm-vfi-r"))


def test_two_files(network: GIMMVFI, data: Path) -> None:
    """A file without it needs the estimator's own, and says so."""
    stored = published.add(data, "gimmvfi_r_fp32.pth", without_estimator(published_state(network)))
    assert (stored.model, stored.part) == ("gimm-vfi-r", "")
    with pytest.raises(weights.WeightsError, match="needs the flow part"):
        published.load("gimm-vfi-r")
    estimator = published.rename(network.flow_estimator.state_dict(), ESTIMATOR)
    path = data / "raft-things.pth"
    torch.save({f"module.{name}": value for name, value in estimator.items()}, path)
    # Alone it is RAFT; for this model it is a part.
    assert weights.add(path).model == "raft"
    assert weights.add(path, "gimm-vfi-r").part == "flow"
    published.assert_same(network, published.load("gimm-vfi-r"))


def test_a_complete_file_keeps_its_own_estimator(network: GIMMVFI, data: Path) -> None:
    """The estimator in a complete file was fine-tuned with it: one that was added on its own does not replace it."""
    path = data / "gimmvfi_r_arb.pt"
    torch.save(published_state(network), path)
    other = {name: value + 1 for name, value in network.flow_estimator.state_dict().items()}
    estimator = data / "raft-things.pth"
    torch.save(published.rename(other, ESTIMATOR), estimator)
    weights.add(estimator, "gimm-vfi-r")
    info = registry.find("gimm-vfi-r")
    published.assert_same(network, weights.load(info, [str(path)]))
    weights.add(path)
    published.assert_same(network, weights.load(info))
    published.assert_same(network, weights.load(info, ["arb"]))


def test_the_two_models_are_told_apart(network: GIMMVFI) -> None:
    """A file of the model on RAFT is not taken for the one on FlowFormer, with or without the estimator."""
    state = published_state(network)
    for file in (state, without_estimator(state)):
        found = weights.recognise({name: tuple(value.shape) for name, value in file.items()})
        assert {info.name for info, _ in found} == {"gimm-vfi-r"}
    other = {re.sub("^flow_estimator.*", "flow_estimator.other", name): () for name in state if "proj" not in name}
    found = weights.recognise({name: tuple(state[name].shape) if name in state else () for name in other})
    assert {info.name for info, _ in found} == {"gimm-vfi-f"}


@pytest.mark.parametrize(("model", "parameters"), [("r", 19_785_801), ("f", 30_585_146 - 2 * 319 * 128 - 4 * 1024)])
def test_published_size(model: str, parameters: int) -> None:
    """The published numbers of parameters, less unused tables and norms, and less the nine of a fixed filter."""
    shapes: dict[str, tuple[int, ...]] = {"init_decoder.upsample.1.0.weight": (64, 64, 5, 5)}
    if model == "r":
        shapes["matching_projection.weight"] = (256, 256, 1, 1)
    with torch.device("meta"):
        network = build(shapes)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters - 9
