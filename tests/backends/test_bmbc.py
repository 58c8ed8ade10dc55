"""BMBC: its filters, the meaning of bilateral motion, and weights in one file or in three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import published
import pytest
import torch
from torch import Tensor

from vsvfi.backends.bmbc.network import BMBC, Encoded, Flows, build, example
from vsvfi.models import weights
from vsvfi.models.availability import availability

MOTION = (
    *((rf"^pyramid\.([1-5])\.{index}\.", rf"conv\1{suffix}.") for index, suffix in enumerate(("a", "aa", "b"))),
    *((rf"^pyramid\.6\.{index}\.", f"conv6{suffix}.") for index, suffix in enumerate(("aa", "a", "b"))),
    (r"^levels\.(\d)\.dense\.(\d)\.", r"conv\1_\2."),
    (r"^levels\.(\d)\.predict\.", r"predict_flow\1."),
    (r"^levels\.(\d)\.upsample_flow\.", r"deconv\1."),
    (r"^levels\.(\d)\.upsample_features\.", r"upfeat\1."),
    *((rf"^context\.{i}\.", f"dc_conv{i + 1}.") for i in range(7)),
)
FILTER = (
    (r"^shallow1\.", "SFE_First."),
    (r"^shallow2\.", "SFE_Second."),
    (r"^blocks\.(\d)\.layers\.(\d)\.", r"GRL.\1.Layer.\2.dense_layer.0."),
    (r"^blocks\.(\d)\.fusion\.", r"GRL.\1.local_feature_fusion."),
    (r"^fusion\.", "Global_feature_fusion."),
    (r"^head\.", "Conv_Output."),
)


@pytest.fixture
def network() -> BMBC:
    torch.manual_seed(0)
    return example("bmbc").eval().requires_grad_(False)


def parts(network: BMBC) -> dict[str, dict[str, Tensor]]:
    """The three published files of a network."""
    motion = published.rename(network.bmnet.state_dict(), MOTION)
    # Saved by the authors and used by nothing.
    motion |= {"deconv2.weight": torch.zeros(2, 2, 4, 4), "deconv2.bias": torch.zeros(2)}
    return {
        "BMNet_weights.pth": motion,
        "DFNet_weights.pth": published.rename(network.dfnet.state_dict(), FILTER),
        "context_layer.pth": dict(network.context.state_dict()),
    }


def test_filters_pick_neighbours(network: BMBC) -> None:
    """Of 6 candidates with 25 taps each, candidate by candidate and row by row, a logit picks one shifted pixel."""
    candidates = list(torch.rand(6, 1, 7, 8, 9))
    logits = torch.zeros(1, 150, 8, 9)
    logits[:, 4 * 25 + 3 * 5 + 1] = 1000.0
    result = network.blend(candidates, logits)
    expected = torch.zeros(1, 3, 8, 9)
    expected[:, :, :-1, 1:] = candidates[4][:, :3, 1:, :-1]
    torch.testing.assert_close(result, expected)


def test_candidates_follow_one_motion(network: BMBC) -> None:
    """Flow F over the whole time is a bilateral motion of F / 2: all six candidates show the same place."""
    columns = torch.arange(24.0).expand(1, 3, 24, 24) * 0.02
    speed, t = 3.0, 0.25
    first = Encoded((), columns)
    second = Encoded((), columns - speed * 0.02)
    flow = torch.zeros(1, 2, 24, 24)
    flow[:, 0] = speed
    candidates = network.candidates(first, second, Flows(flow, -flow), flow / 2, t)
    inner = torch.stack(candidates)[..., 4:-4]
    torch.testing.assert_close(inner, inner[:1].expand_as(inner), atol=3e-3, rtol=0)


def test_motion_is_scaled_back_to_the_frame() -> None:
    """A constant motion on the resized frames, 64 x 64, becomes one of the 40 x 50 frame."""
    torch.manual_seed(0)
    network: Any = example("bmbc").eval().requires_grad_(False)
    finest = network.bmnet.levels["2"]
    for parameter in (*finest.predict.parameters(), *network.bmnet.context[-1].parameters()):
        parameter.zero_()
    finest.predict.bias.copy_(torch.tensor([0.1, 0.2]))
    first, second = (network.encode(frame) for frame in torch.rand(2, 1, 3, 40, 50))
    motion = network.motion(first, second, 0.5)
    expected = torch.tensor([2.0 * 50 / 64, 4.0 * 40 / 64]).view(1, 2, 1, 1).expand(1, 2, 40, 50)
    torch.testing.assert_close(motion, expected, atol=1e-5, rtol=0)


def test_three_files(network: BMBC, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is recognised by itself, and until all are there the error says which is missing."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    files = parts(network)
    added = (("context_layer.pth", "context"), ("BMNet_weights.pth", ""), ("DFNet_weights.pth", "filter"))
    # The main part is asked for first.
    asked = ("BMNet_weights.pth", "BMNet_weights.pth", "DFNet_weights.pth")
    for (file, part), next_file in zip(added, asked, strict=True):
        with pytest.raises(weights.MissingWeightsError, match=f"vsvfi weights add bmbc {next_file}") as missing:
            published.load("bmbc")
        assert missing.value.command == f"vsvfi weights add bmbc {next_file}"
        assert f"vsvfi weights add bmbc {next_file}" in [entry.add for entry in availability()]
        stored = published.add(tmp_path, file, files[file])
        assert (stored.model, stored.part) == ("bmbc", part)
    published.assert_same(network, published.load("bmbc"))


def test_one_file(network: BMBC, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that holds all three is enough."""
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    motion, filters, context = parts(network).values()
    state = {f"BMNet.{name}": value for name, value in motion.items()}
    state |= {f"DFNet.{name}": value for name, value in filters.items()}
    state |= {f"context_layer.{name}": value for name, value in context.items()}
    assert published.add(tmp_path, "bmbc.pth", state).part == ""
    published.assert_same(network, published.load("bmbc"))


def test_published_size() -> None:
    """The default has the published 11.0 million parameters, but for a layer that nothing uses."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build({}).parameters()) == 11_014_378 - 66
