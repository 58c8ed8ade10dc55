"""What is EMA-VFI's own: windows and their masks, BGR, turned frames, the names of its published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vsvfi.backends.ema_vfi.network import EMAVFI, MotionFormerBlock, build
from vsvfi.models import registry, weights
from vsvfi.models.info import Options
from vsvfi.testing import networks

SIZES: dict[str, dict[str, Any]] = {
    "ema-vfi": {"width": 32, "depths": (4, 4), "motion_channels": (64, 128)},
    "ema-vfi-small": {"width": 16, "depths": (2, 2), "motion_channels": (64, 128)},
}

PUBLISHED = {
    "backbone.stage1.2.weight": "feature_bone.block1.conv.2.weight",
    "backbone.down3.1.weight": "feature_bone.patch_embed3.1.weight",
    "backbone.embed4.layers.6.bias": "feature_bone.patch_embed4.layers.6.bias",
    "backbone.embed5.proj.weight": "feature_bone.patch_embed5.proj.weight",
    "backbone.stage5.1.attn.cor_embed.weight": "feature_bone.block5.1.attn.cor_embed.weight",
    "backbone.stage4.0.mlp.depthwise.bias": "feature_bone.block4.0.mlp.dwconv.dwconv.bias",
    "backbone.norm5.weight": "feature_bone.norm5.weight",
    "flow_heads.1.convs.2.1.weight": "block.1.conv.2.1.weight",
    "refinement.down3.0.0.weight": "unet.down3.conv1.0.weight",
    "refinement.down0.1.1.weight": "unet.down0.conv2.1.weight",
    "refinement.up2.0.bias": "unet.up2.0.bias",
    "refinement.conv.weight": "unet.conv.weight",
}


def publish(name: str) -> str:
    """A tensor's name in the published files."""
    for ours, theirs in (
        ("backbone.stage1.", "feature_bone.block1.conv."),
        ("backbone.stage2.", "feature_bone.block2.conv."),
        ("backbone.stage3.", "feature_bone.block3.conv."),
        ("backbone.stage", "feature_bone.block"),
        ("backbone.down", "feature_bone.patch_embed"),
        ("backbone.embed", "feature_bone.patch_embed"),
        ("backbone.", "feature_bone."),
        ("flow_heads.0.convs.", "block.0.conv."),
        ("flow_heads.1.convs.", "block.1.conv."),
        ("refinement.", "unet."),
    ):
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    name = name.replace(".depthwise.", ".dwconv.dwconv.")
    if name.startswith("unet.down"):
        stem, index, rest = name[: len("unet.down0")], name[len("unet.down0.")], name[len("unet.down0.0") :]
        name = f"{stem}.conv{int(index) + 1}{rest}"
    return name


@pytest.mark.parametrize(("name", "millions"), [("ema-vfi", 65.7), ("ema-vfi-small", 14.5)])
def test_published_size_is_recognised_and_rebuilt(name: str, millions: float) -> None:
    with torch.device("meta"):
        network = EMAVFI(**SIZES[name])
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == millions
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    [(info, layout)] = weights.recognise({publish(key): shape for key, shape in shapes.items()})
    assert info.name == name
    assert {layout.our_name(publish(key)) for key in shapes} == set(shapes)
    with torch.device("meta"):
        rebuilt = build(shapes)
    assert {key: tuple(value.shape) for key, value in rebuilt.state_dict().items()} == shapes


def test_published_names() -> None:
    layout = registry.find("ema-vfi").layouts[0]
    for ours, theirs in PUBLISHED.items():
        assert layout.our_name(theirs) == ours
        assert publish(ours) == theirs
    assert layout.our_name("feature_bone.block4.1.attn_mask") is None
    assert layout.our_name("feature_bone.block4.1.HW") is None


def test_file_with_cached_masks_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSVFI_DATA", str(tmp_path / "data"))
    network = EMAVFI(width=16, depths=(1, 1), motion_channels=(8, 8))
    state = {f"module.{publish(key)}": value for key, value in network.state_dict().items()}
    state["module.feature_bone.block4.0.attn_mask"] = torch.zeros(4, 49, 49)
    state["module.feature_bone.block4.0.HW"] = torch.tensor([64.0])
    torch.save(state, tmp_path / "ours_small_t.pkl")
    added = weights.add(tmp_path / "ours_small_t.pkl")
    assert (added.model, added.name) == ("ema-vfi-small", "any-t")
    loaded = weights.load(registry.find("ema-vfi-small")).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


def by_hand(block: MotionFormerBlock, x: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor]:
    """The attention of one block, window by window, without padding and masks: windows are cut short at borders."""
    count, height, width, _ = x.shape
    shift = 3 if block.shifted else 0
    top, left = ((-size % 7) // 2 for size in (height, width))
    tokens = block.norm1(x)
    appearance, motion = torch.zeros_like(x), torch.zeros(count, height, width, block.attn.cor_embed.out_features)

    def pieces(size: int, before: int) -> list[slice]:
        edges = [edge for edge in range(shift - before, size, 7) if 0 < edge < size]
        return [slice(a, b) for a, b in zip([0, *edges], [*edges, size], strict=True)]

    for rows in pieces(height, top):
        for columns in pieces(width, left):
            window = tokens[:, rows, columns].flatten(1, 2)
            seen = block.attn(window, window.flip(0), coordinates[:, rows, columns].flatten(1, 2), None)
            shape = (count, rows.stop - rows.start, columns.stop - columns.start, -1)
            appearance[:, rows, columns], motion[:, rows, columns] = (part.view(shape) for part in seen)
    y = tokens + appearance
    return y + block.mlp(block.norm2(y)), motion


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(7, 14), (14, 21)])
def test_whole_windows_see_only_themselves(shifted: bool, size: tuple[int, int]) -> None:
    check_block(shifted, size)


@pytest.mark.parametrize("size", [(4, 6), (10, 8), (9, 15)])
def test_padding_is_hidden_from_attention(size: tuple[int, int]) -> None:
    check_block(False, size)


def check_block(shifted: bool, size: tuple[int, int]) -> None:
    """The block agrees with attention that is cut by hand."""
    torch.manual_seed(0)
    block = MotionFormerBlock(32, 8, shifted=shifted).eval().requires_grad_(False)
    # What padded tokens hold: it must not leak.
    block.norm1.bias.fill_(3)
    x, coordinates = torch.randn(2, *size, 32), torch.randn(1, *size, 2).expand(2, -1, -1, -1)
    for got, wanted in zip(block(x, coordinates), by_hand(block, x, coordinates), strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_network_sees_bgr() -> None:
    backend: Any = networks.example_backend(registry.find("ema-vfi"))
    frames = networks.example_frames(backend)
    seen: list[Tensor] = []
    backend.network.backbone.stage1.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    backend.prepare(frames, [None, None])
    assert torch.equal(seen[0], torch.cat(frames).flip(1))


def test_best_quality_does_not_depend_on_which_side_is_up() -> None:
    info = registry.find("ema-vfi")
    frames = networks.example_frames(networks.example_backend(info))
    turned = [frame.flip(2, 3) for frame in frames]
    best = networks.example_backend(info, options=Options(quality="best"))
    torch.testing.assert_close(
        networks.interpolate(best, frames, 0.3).flip(2, 3),
        networks.interpolate(best, turned, 0.3),
        atol=1e-5,
        rtol=1e-5,
    )
    plain = networks.example_backend(info)
    assert not torch.allclose(
        networks.interpolate(plain, frames, 0.3).flip(2, 3), networks.interpolate(plain, turned, 0.3), atol=1e-4
    )
