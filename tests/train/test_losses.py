"""Every part of the loss against a value computed by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vsvfi.models.recipe import Batch, Output
from vsvfi.models.settings import ConfigError
from vsvfi.nets.perceptual import LPIPS, VGGFeatures, load_lpips, load_vgg
from vsvfi.train.adversary import Adversary
from vsvfi.train.config import Loss
from vsvfi.train.losses import Losses, census, charbonnier, distillation, laplacian, smoothness


def gray(rows: list[list[float]]) -> Tensor:
    """A frame ``(1, 3, H, W)`` whose channels are the same."""
    return torch.tensor(rows).expand(1, 3, -1, -1)


def batch(target: Tensor) -> Batch:
    """A sample of two frames like the target."""
    return Batch(torch.stack((target, target), 1), target, torch.tensor([0.5]), torch.empty(0))


def test_charbonnier() -> None:
    """Of 3/1000 and 0; relative, the logarithm of each sample's mean."""
    expected = ((0.003**2 + 0.001**2) ** 0.5 + 0.001) / 2
    assert charbonnier(torch.tensor([0.003, 0.0]), torch.zeros(2)).item() == pytest.approx(expected)
    two = charbonnier(torch.tensor([[0.003], [0.0]]), torch.zeros(2, 1), relative=True).item()
    assert two == pytest.approx((math.log((0.003**2 + 0.001**2) ** 0.5) + math.log(0.001)) / 2)


def test_l1() -> None:
    parts = Losses(Loss(charbonnier=0.0, l1=2.0))(Output(gray([[0.5, 0.2]])), batch(gray([[0.4, 0.2]])))
    assert {name: value.item() for name, value in parts.items()} == {"l1": pytest.approx(2 * 0.05)}


def test_census() -> None:
    """One neighbour 0.9 of 255 brighter than the centre: sqrt(1/2) against 0, so 0.5 / 0.6, of nine taps."""
    flat = [[0.5] * 3 for _ in range(3)]
    step = [[0.5 + 0.9 / 255, 0.5, 0.5], *flat[1:]]
    assert census(gray(step), gray(flat), radius=1).item() == pytest.approx(0.5 / 0.6 / 9, rel=1e-3)
    assert census(gray(flat) + 0.1, gray(flat), radius=1).item() == pytest.approx(0)  # blind to brightness


def test_laplacian() -> None:
    """A constant difference is in the coarsest level alone; with one level, it is L1."""
    assert laplacian(torch.full((1, 3, 16, 16), 0.6), torch.full((1, 3, 16, 16), 0.5), 3).item() == pytest.approx(0.4)
    torch.manual_seed(0)
    first, second = torch.rand(2, 1, 3, 8, 8)
    assert laplacian(first, second, 1).item() == pytest.approx((first - second).abs().mean().item())


def test_laplacian_of_a_checkerboard() -> None:
    """Its detail is all there is: the filter (1, 4, 6, 4, 1) leaves nothing of it, but at the border."""
    board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float() - 0.5
    found = laplacian(board.expand(1, 3, -1, -1), torch.zeros(1, 3, 64, 64), 2).item()
    assert found == pytest.approx(0.5, rel=0.05)


def test_vgg() -> None:
    """With features that are the normalised frames: (0.1 / deviation) ** 2, on average over the channels."""
    network = VGGFeatures(nn.Identity())
    expected = sum((0.1 / deviation) ** 2 for deviation in (0.229, 0.224, 0.225)) / 3
    assert network(torch.full((1, 3, 2, 2), 0.6), torch.full((1, 3, 2, 2), 0.5)).item() == pytest.approx(expected)


class _Undone(nn.Module):
    """Undoes the normalisation of LPIPS, so that features are frames in [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        shift, scale = x.new_tensor((-0.030, -0.088, -0.188)), x.new_tensor((0.458, 0.448, 0.450))
        return x * scale.view(1, 3, 1, 1) + shift.view(1, 3, 1, 1)


def test_lpips() -> None:
    """Features (3, 4, 0) / 5 and (0, 0, 1): squared differences 0.36, 0.64 and 1, weighed by 1, 2 and 3."""
    network = LPIPS([_Undone()], [torch.tensor([1.0, 2.0, 3.0])])
    first, second = torch.tensor([0.3, 0.4, 0.0]), torch.tensor([0.0, 0.0, 0.5])
    frames = [(feature.view(1, 3, 1, 1) + 1) / 2 for feature in (first, second)]
    assert network(*frames).item() == pytest.approx(0.36 + 2 * 0.64 + 3, rel=1e-4)


def test_lpips_weighs_places() -> None:
    """Only the pixel that counts is compared."""
    network = LPIPS([_Undone()], [torch.ones(3)])
    first = torch.tensor([[0.3, 0.4, 0.0], [0.1, 0.0, 0.0]]).T.reshape(1, 3, 1, 2)
    second = torch.tensor([[0.0, 0.0, 0.5], [0.1, 0.0, 0.0]]).T.reshape(1, 3, 1, 2)
    frames = [(features + 1) / 2 for features in (first, second)]
    assert network(*frames, torch.tensor([[[[1.0, 0.0]]]])).item() == pytest.approx(2, rel=1e-4)
    assert network(*frames, torch.tensor([[[[0.0, 1.0]]]])).item() == pytest.approx(0, abs=1e-6)


def test_distillation() -> None:
    """Flows of half the size count twice: 1.5 against 2 and 3 against 2, both ways alike."""
    teacher = torch.full((1, 2, 4, 4), 2.0)
    flows = [(torch.full((1, 2, 4, 4), 1.5),) * 2, (torch.full((1, 2, 2, 2), 1.5),) * 2]
    assert distillation(flows, (teacher, teacher)).item() == pytest.approx((0.5 + 1.0) / 2)


def test_smoothness() -> None:
    step = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    assert smoothness((step, step)).item() == pytest.approx(2.0)


def test_adversarial() -> None:
    """Of a discriminator that is undecided, log(1 / 2)."""
    adversary = Adversary(1e-3, torch.device("cpu"))
    nn.init.zeros_(adversary.network.head.weight)
    nn.init.zeros_(adversary.network.head.bias)
    assert adversary.loss(torch.rand(2, 3, 32, 32)).item() == pytest.approx(math.log(0.5))


def test_stages_count_by_their_shares() -> None:
    """The stages' target is the truth, averaged to their size."""
    truth = gray([[0.0, 0.2], [0.4, 0.2]])
    output = Output(truth, stages=(truth, gray([[0.2]])), shares=(1.0, 0.5))
    parts = Losses(Loss(charbonnier=0.0, reconstruction=1.0))(output, batch(truth))
    assert parts["reconstruction"].item() == pytest.approx(1.5 * 0.001)


def test_distillation_needs_flows() -> None:
    with pytest.raises(ConfigError, match=r"loss\.distillation must be 0 for this model"):
        Losses(Loss(distillation=1.0))(Output(gray([[0.5]])), batch(gray([[0.5]])))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vgg": 1.0}, r"loss\.vgg needs loss\.vgg_weights"),
        ({"lpips": 1.0}, r"loss\.lpips needs loss\.lpips_weights"),
        ({"vgg": 1.0, "vgg_weights": "none.pth"}, r"loss\.vgg_weights: there is no weights file none\.pth"),
        ({"lpips": 1.0, "lpips_weights": ("none.pth",)}, r"loss\.lpips_weights: there is no weights file none\.pth"),
    ],
)
def test_a_loss_without_its_weights(settings: dict[str, Any], message: str) -> None:
    """Is not left out in silence."""
    with pytest.raises(ConfigError, match=message):
        Losses(Loss(**settings))


def test_users_vgg_weights_are_checked(tmp_path: Path) -> None:
    """Torchvision's layout is taken; anything else is an error that says so."""
    network = VGGFeatures()
    state = {f"features.{name}": value for name, value in network.features.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg.pth")
    loaded = load_vgg(tmp_path / "vgg.pth")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), loaded.parameters(), strict=True))
    frame = torch.rand(1, 3, 32, 32)
    assert loaded(frame, frame).item() == 0
    assert loaded(frame, 1 - frame).item() > 0
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(ConfigError, match="holds no weights of VGG-16"):
        Losses(Loss(vgg=1.0, vgg_weights=str(tmp_path / "vgg.pth")))


def test_users_lpips_weights_are_checked(tmp_path: Path) -> None:
    """A network and the linear weights that belong to it."""
    channels = {"0": (64, 3, 11), "3": (192, 64, 5), "6": (384, 192, 3), "8": (256, 384, 3), "10": (256, 256, 3)}
    alexnet = {f"features.{k}.weight": torch.randn(o, i, s, s) / (i * s) for k, (o, i, s) in channels.items()}
    alexnet |= {f"features.{k}.bias": torch.zeros(o) for k, (o, _, _) in channels.items()}
    linear = {f"lin{n}.model.1.weight": torch.rand(1, o, 1, 1) for n, (o, _, _) in enumerate(channels.values())}
    torch.save(alexnet, tmp_path / "alexnet.pth")
    torch.save(linear, tmp_path / "alex.pth")
    network = load_lpips([tmp_path / "alexnet.pth", tmp_path / "alex.pth"])
    torch.manual_seed(0)
    frame = torch.rand(1, 3, 64, 64)
    assert network(frame, frame).item() == 0
    assert network(frame, 1 - frame).item() > 0.01
    with pytest.raises(ConfigError, match="LPIPS needs two files"):
        Losses(Loss(lpips=1.0, lpips_weights=(str(tmp_path / "alex.pth"),)))
    torch.save({**linear, "lin0.model.1.weight": torch.rand(1, 7, 1, 1)}, tmp_path / "alex.pth")
    with pytest.raises(ConfigError, match="linear weights of LPIPS are not for alexnet"):
        Losses(Loss(lpips=1.0, lpips_weights=(str(tmp_path / "alexnet.pth"), str(tmp_path / "alex.pth"))))
