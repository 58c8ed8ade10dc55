"""What is RIFE's own: the table, recognition, the cached head, and the search for large motion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vapoursynth as vs
from torch import Tensor
from vsvfi_rife.network import IFNet, build, read_architecture
from vsvfi_rife.versions import ARCHITECTURES, INFOS, model_name

import vsvfi
from vsvfi.commands.clips import core
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.nets.ifnet.architecture import Architecture
from vsvfi.testing import networks

FULL = {versions: dict(IFNet(architecture).state_dict()) for versions, architecture in ARCHITECTURES.items()}


def published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under the names of the published files, with what the training left in them."""
    names = {
        f"module.{name.replace('blocks.', 'block').replace('head.', 'encode.')}": value for name, value in state.items()
    }
    return {**names, "module.teacher.conv.weight": torch.zeros(1), "module.caltime.0.bias": torch.zeros(1)}


def test_every_version_is_registered() -> None:
    assert len(INFOS) == 36
    assert {info.name for info in INFOS} <= set(registry.backends())
    assert {registry.origin(info.name) for info in INFOS} == {"rife"}
    assert model_name("4.25.lite") == "rife-4.25-lite"


@pytest.mark.parametrize("versions", ARCHITECTURES, ids=lambda versions: versions[0])
def test_architecture_is_read_off_the_shapes(versions: tuple[str, ...]) -> None:
    shapes = {name: tuple(value.shape) for name, value in FULL[versions].items()}
    assert read_architecture(shapes) == ARCHITECTURES[versions]


@pytest.mark.parametrize("versions", ARCHITECTURES, ids=lambda versions: versions[0])
def test_checkpoint_is_recognised_as_its_versions_and_no_others(versions: tuple[str, ...]) -> None:
    shapes = {name.removeprefix("module."): tuple(value.shape) for name, value in published(FULL[versions]).items()}
    whole = {info.name for info, layout in weights.recognise(shapes) if not layout.part}  # RIFE 4.6 is a part of GMFSS
    assert whole == {model_name(version) for version in versions}


def test_added_checkpoint_needs_its_model_named_unless_its_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    state = published(FULL["4.12.lite", "4.13.lite"])
    unnamed, named = tmp_path / "flownet.pkl", tmp_path / "flownet_v4.13.lite.pkl"
    torch.save(state, unnamed)
    torch.save(state, named)
    with pytest.raises(weights.WeightsError, match=r"fits several models \(rife-4.12-lite, rife-4.13-lite\)"):
        weights.add(unnamed)
    assert weights.add(named).model == "rife-4.13-lite"
    assert weights.add(unnamed, "rife-4.12-lite").model == "rife-4.12-lite"
    network = weights.load(registry.find("rife-4.12-lite"))
    assert torch.equal(network.state_dict()["head.0.weight"], state["module.encode.0.weight"])


def test_rife_is_the_newest_version_with_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    info = registry.find("rife")
    with pytest.raises(weights.WeightsError, match=r"model 'rife' needs weights.* vsvfi weights get rife-4.26$"):
        weights.locate(info)
    file = tmp_path / "flownet_v4.26.pkl"
    torch.save(published(FULL["4.25", "4.26"]), file)
    assert weights.add(file).model == "rife-4.26"
    assert weights.locate(info) == weights.locate(registry.find("rife-4.26"))


def test_features_are_computed_once_a_frame() -> None:
    info = registry.find("rife-4.26")
    backend: Any = networks.example_backend(info)
    calls: list[int] = []
    backend.network.head.register_forward_hook(lambda *_: calls.append(1))
    frames = networks.example_frames(backend)
    with torch.no_grad():
        state = backend.prepare(frames, [backend.encode(frame) for frame in frames])
        backend.synthesize(state, torch.tensor([0.25, 0.75]))
        backend.synthesize(state, torch.tensor([0.5]))
    assert len(calls) == 2


def test_ensemble_is_symmetric_in_time() -> None:
    """With every step averaged over both directions, time can run backwards."""
    for name in ("rife-4.6", "rife-4.12"):
        info = registry.find(name)
        backend = networks.example_backend(info, options=Options(quality="best"))
        first, second = networks.example_frames(backend)
        forwards = networks.interpolate(backend, [first, second], 0.3)
        backwards = networks.interpolate(backend, [second, first], 0.7)
        torch.testing.assert_close(forwards, backwards, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(forwards, networks.interpolate(networks.example_backend(info), [first, second], 0.3))


class Scales:
    """The scales at which a network's blocks are run."""

    def __init__(self, network: IFNet) -> None:
        self.seen: list[tuple[int, float]] = []
        for index, block in enumerate(network.blocks):
            block.register_forward_hook(lambda _m, inputs, _o, index=index: self.seen.append((index, inputs[2])))


def test_large_motion_doubles_the_scales_of_4_0() -> None:
    architecture = Architecture(widths=(8, 8, 8, 8), style="prelu", outputs=5)
    torch.manual_seed(0)
    network: Any = IFNet(architecture).eval().requires_grad_(False)
    network.blocks[1].lastconv.weight.zero_()
    frames = torch.rand(2, 3, 64, 64).split(1)
    scales = Scales(network)
    for bias, doubled in ((40 / 8, True), (30 / 8, False)):
        network.blocks[1].lastconv.bias.zero_()
        network.blocks[1].lastconv.bias[:4] = bias
        scales.seen.clear()
        network(*frames, torch.tensor([0.5]))
        expected = [(0, 8.0), (1, 4.0)]
        expected += [(0, 16.0), (1, 8.0), (2, 4.0), (3, 2.0)] if doubled else [(2, 2.0), (3, 1.0)]
        assert scales.seen == expected
    # Both directions must be large.
    network.blocks[1].lastconv.bias[:2] = 100.0
    network.blocks[1].lastconv.bias[2:4] = 0.0
    scales.seen.clear()
    network(*frames, torch.tensor([0.5]))
    assert len(scales.seen) == 4


def test_scale_option_changes_the_size_motion_is_estimated_at() -> None:
    network = build({name: tuple(value.shape) for name, value in FULL["4.6",].items()})
    scales = Scales(network)
    with torch.no_grad():
        network(*torch.rand(2, 3, 64, 64).split(1), torch.tensor([0.5]), flow_scale=0.5)
    assert [scale for _, scale in scales.seen] == [16, 8, 4, 2]


def test_listing_the_models_imports_no_torch() -> None:
    code = "import sys, vsvfi_rife; assert 'torch' not in sys.modules and vsvfi_rife.vsvfi_backends()"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


def test_filter_gives_what_the_network_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a published file through the filter: frames of an odd size, at every quarter."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path))
    file = tmp_path / "flownet_v4.26.pkl"
    torch.save(published(FULL["4.25", "4.26"]), file)
    weights.add(file)

    height, width = 50, 70
    pictures = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    blank = core.std.BlankClip(width=width, height=height, format=vs.RGBS, length=2, fpsnum=25, fpsden=1, keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = pictures[n, plane].numpy()
        return frame

    clip = core.std.ModifyFrame(blank, blank, draw)
    result = vsvfi.interpolate(clip, model="rife-4.26", factor=4, sc=False, device="cpu", precision="fp32")

    network = weights.load(registry.find("rife-4.26"))
    padded = torch.nn.functional.pad(pictures, (0, 128 - width, 0, 64 - height), mode="replicate")
    for n, t in ((1, 0.25), (2, 0.5), (3, 0.75)):
        with torch.no_grad():
            expected = network(*padded.split(1), torch.tensor([t]))[0, :, :height, :width].numpy()
        with result.get_frame(n) as frame:
            got = np.stack([np.asarray(frame[plane]) for plane in range(3)])
        np.testing.assert_allclose(got, expected, atol=2e-5)
