"""GMFSS Fortuna: its metric, its splatting, what happens once, and its published files."""

from __future__ import annotations

from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.gmfss import INFOS
from vsvfi.backends.gmfss.backend import GMFSSBackend
from vsvfi.backends.gmfss.network import GMFSS, create, example
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.ops import forward_splat
from vsvfi.testing import networks

NAMES = [info.name for info in INFOS]
FILES = {"flow": "flownet", "metric": "metric", "features": "feat", "fusion": "fusionnet", "rife": "rife"}


@pytest.fixture(params=NAMES)
def network(request: pytest.FixtureRequest) -> GMFSS:
    torch.manual_seed(0)
    return example(request.param).eval().requires_grad_(False)


def model_of(network: GMFSS) -> str:
    return "gmfss-base" if network.rife is None else "gmfss-union"


def test_metric_sees_errors_and_occlusions(network: GMFSS) -> None:
    """A pixel is hidden where the flow there and the flow back differ by more than half a pixel and a hundredth."""
    seen: list[Tensor] = []
    network.metric.metric_in.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    frames = (torch.full((1, 3, 9, 11), 0.25), torch.full((1, 3, 9, 11), 0.75))
    ahead, back = torch.zeros(2, 1, 2, 9, 11)
    ahead[:, 0] = 2
    back[:, 0] = -2
    back[..., 4, 7] = 1
    network.metric(frames, (ahead, back))
    x = seen[0][0]
    torch.testing.assert_close(x[6, :, :9], torch.full((9, 9), -0.5))
    torch.testing.assert_close(x[8], torch.full((9, 11), 2 / 5))
    hidden = torch.zeros(9, 9)
    hidden[4, 5] = 1
    torch.testing.assert_close(x[12, :, :9], hidden)


def test_features_are_splatted_by_the_reduced_flow(network: GMFSS) -> None:
    """Scaled by the time first, then made smaller, with its vectors; the metric keeps its values."""
    backend = GMFSSBackend(registry.find(model_of(network)), network, Options())
    frames = networks.example_frames(backend)
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    splats = network.splat(state, torch.tensor([0.25]))
    assert [x.shape[-1] * 2**level for level, (x, _) in enumerate(splats[1:], 1)] == [frames[0].shape[-1]] * 3
    flow = torch.nn.functional.avg_pool2d(0.75 * state.flows[1], 2) / 2
    metric = torch.nn.functional.avg_pool2d(0.75 * state.metrics[1], 2)
    expected = forward_splat(state.frames[1].features[1], flow, mode="softmax", metric=metric)
    torch.testing.assert_close(splats[2][1], expected, atol=1e-4, rtol=1e-3)


def test_flow_is_estimated_once_a_pair(network: GMFSS) -> None:
    """Features once a frame, flows and metrics once a pair, however many timesteps are asked for."""
    calls: list[str] = []
    network.features.register_forward_hook(lambda *_: calls.append("encode"))
    network.flow.transformer.register_forward_hook(lambda *_: calls.append("flow"))
    network.metric.register_forward_hook(lambda *_: calls.append("metric"))
    backend = GMFSSBackend(registry.find(model_of(network)), network, Options())
    frames = networks.example_frames(backend)
    state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
    backend.synthesize(state, torch.tensor([0.25, 0.5]))
    backend.synthesize(state, torch.tensor([0.75]))
    # Once at 1/8 of the size for both directions, once at 1/4.
    assert calls == ["encode", "encode", "flow", "flow", "metric"]


def parts_of(network: GMFSS) -> dict[str, dict[str, Tensor]]:
    """The state dicts of the published files, by the files' stems."""
    files: dict[str, dict[str, Tensor]] = {}
    for name, value in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "rife":
            rest = published.rename({rest: value}, ((r"^blocks\.(\d)\.", r"block\1."),)).popitem()[0]
        files.setdefault(FILES[part], {})[rest] = value.clone()
    return files


def test_published_files(network: GMFSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part has a file of its own; those that both variants have are added by the model's name."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    model = model_of(network)
    for stem, state in parts_of(network).items():
        path = tmp_path / f"{stem}.pkl"
        torch.save(state, path)
        if stem in ("fusionnet", "rife"):
            assert weights.add(path).model == model
        else:
            with pytest.raises(weights.WeightsError, match="gmfss-base, gmfss-union"):
                weights.add(path)
            assert weights.add(path, model).model == model
    published.assert_same(network, published.load(model))


def test_missing_part_is_named(network: GMFSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that adds it."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    model = model_of(network)
    for stem, state in parts_of(network).items():
        if stem != "metric":
            torch.save(state, tmp_path / f"{stem}.pkl")
            weights.add(tmp_path / f"{stem}.pkl", model)
    with pytest.raises(weights.WeightsError, match=f"vsvfi weights add {model} metric.pkl"):
        published.load(model)


def test_all_parts_in_one_file(network: GMFSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names of the files."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    assert published.add(tmp_path, "all.pth", parts_of(network)).model == model_of(network)
    published.assert_same(network, published.load(model_of(network)))


@pytest.mark.parametrize(("name", "parameters"), [("gmfss-union", 18_800_634), ("gmfss-base", 13_496_106)])
def test_published_sizes(name: str, parameters: int) -> None:
    """The published networks have 18.8 and 13.5 million parameters."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in create(name).parameters()) == parameters
