"""AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation (CVPR 2023, arXiv 2304.09790)."""

from __future__ import annotations

from vsvfi.models.info import BackendInfo, Checkpoint, Layout

__all__ = ["INFOS"]

_LICENSE = "CC BY-NC 4.0"
_DRIVE = {
    "amt-s.pth": "1WmOKmQmd6pnLpID8EpUe-TddFpJuavrL",
    "amt-l.pth": "1UyhYpAQLXMjFA55rlFZ0kdiSVTL7oU-z",
    "amt-g.pth": "1yieLtKh4ei3gOrLN1LhKSP_9157Q-mtP",
    "gopro_amt-s.pth": "1f1xAF0EDm-rjDdny8_aLyeedfM0QL4-C",
}
_BOTTLENECK = "feat_encoder.layer1.0.conv3.weight"
_FOURTH_STAGE = "feat_encoder.layer3_2.0.conv1.weight"


def _info(size: str, checkpoints: dict[str, str], *, has: tuple[str, ...], has_none: tuple[str, ...]) -> BackendInfo:
    return BackendInfo(
        name=f"amt-{size}",
        summary="flows refined by all-pairs correlation, several candidates blended",
        build="vsvfi.backends.amt.network:build",
        recipe="vsvfi.backends.recipe:recipe",
        backend="vsvfi.backends.amt.backend:AMTBackend",
        title="AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation",
        arxiv="2304.09790",
        weights_license=_LICENSE,
        commercial_use=False,
        checkpoints=tuple(
            Checkpoint(
                name=name,
                file=file,
                url="https://github.com/MCG-NKU/AMT",
                license=_LICENSE,
                sources=(f"https://drive.google.com/file/d/{_DRIVE[file]}/view",),
            )
            for name, file in checkpoints.items()
        ),
        layouts=(
            Layout(
                has_all=(
                    "feat_encoder.layer3.1.conv2.weight",
                    "encoder.pyramid4.1.0.weight",
                    "decoder1.convblock.2.weight",
                    "update4.gru.2.weight",
                    "comb_block.2.weight",
                    *has,
                ),
                has_none=has_none,
                rename=(
                    *((rf"^feat_encoder\.layer{n}\.", f"feat_encoder.layers.{n - 1}.") for n in (1, 2, 3)),
                    (r"^feat_encoder\.layer3_2\.", "feat_encoder.layers.3."),
                    (r"^update(\d)_low\.", r"update\1."),
                    (r"^update(\d)_high\.", r"refine\1."),
                    (r"^comb_block\.", "blend."),
                ),
            ),
        ),
        multiple=16,
        minimum=64,
        padding="center",
        supports_flow_scale=True,
        tiling="discouraged",
    )


INFOS = (
    _info("s", {"vimeo90k": "amt-s.pth", "gopro": "gopro_amt-s.pth"}, has=(_BOTTLENECK,), has_none=()),
    _info("l", {"vimeo90k": "amt-l.pth"}, has=("update2.convc2.weight",), has_none=(_BOTTLENECK, _FOURTH_STAGE)),
    _info("g", {"vimeo90k": "amt-g.pth"}, has=(_FOURTH_STAGE, "update2_high.convc2.weight"), has_none=()),
)
