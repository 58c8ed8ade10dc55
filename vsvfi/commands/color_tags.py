"""What frame properties say of a picture's colour, in ffmpeg's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["encoder_flags", "hdr_parameters", "tagging_filter"]

# ITU-T H.273, the numbers that VapourSynth's properties hold, by ffmpeg's names.
_MATRIX = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
}
_TRANSFER = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_SITING = {0: "left", 1: "center", 2: "topleft", 3: "top", 4: "bottomleft", 5: "bottom"}


def _described(props: Mapping[str, Any]) -> dict[str, str]:
    full = props.get("_Range", None if "_ColorRange" not in props else 1 - props["_ColorRange"])
    described = {
        "range": None if full is None else ("pc" if full else "tv"),
        "colorspace": _MATRIX.get(props.get("_Matrix", 2)),
        "color_primaries": _PRIMARIES.get(props.get("_Primaries", 2)),
        "color_trc": _TRANSFER.get(props.get("_Transfer", 2)),
    }
    return {name: value for name, value in described.items() if value is not None}


def tagging_filter(props: Mapping[str, Any]) -> str:
    """An ffmpeg filter chain that tags frames with what the properties say, and converts nothing; may be empty."""
    tags = ":".join(f"{name}={value}" for name, value in _described(props).items())
    num, den = props.get("_SARNum", 1), props.get("_SARDen", 1)
    chain = [f"setparams={tags}"] if tags else []
    if num > 0 and den > 0 and num != den:
        chain.append(f"setsar={num}/{den}")
    return ",".join(chain)


def encoder_flags(props: Mapping[str, Any], *, subsampled: bool) -> list[str]:
    """Options of an ffmpeg output that say the same to encoders that do not look at frames."""
    flags = [
        word
        for name, value in _described(props).items()
        for word in (f"-{'color_range' if name == 'range' else name}", value)
    ]
    siting = _SITING.get(props.get("_ChromaLocation", -1))
    return [*flags, "-chroma_sample_location", siting] if subsampled and siting else flags


def hdr_parameters(props: Mapping[str, Any]) -> dict[str, str]:
    """Mastering display and content light level, in the words that x264 and x265 share but for ``cll``."""
    found = {}
    xs, ys = props.get("MasteringDisplayPrimariesX"), props.get("MasteringDisplayPrimariesY")
    if xs is not None and ys is not None and len(xs) == len(ys) == 3 and "MasteringDisplayMaxLuminance" in props:
        # SMPTE ST 2086 in steps of 0.00002 and 0.0001 cd/m2; properties list red, green, blue.
        red, green, blue = (f"({round(x * 50000)},{round(y * 50000)})" for x, y in zip(xs, ys, strict=True))
        white = (props.get("MasteringDisplayWhitePointX", 0.3127), props.get("MasteringDisplayWhitePointY", 0.3290))
        point = f"({round(white[0] * 50000)},{round(white[1] * 50000)})"
        brightest = round(props["MasteringDisplayMaxLuminance"] * 10000)
        darkest = round(props.get("MasteringDisplayMinLuminance", 0.0) * 10000)
        found["display"] = f"G{green}B{blue}R{red}WP{point}L({brightest},{darkest})"
    if props.get("ContentLightLevelMax"):
        found["light"] = f"{props['ContentLightLevelMax']},{props.get('ContentLightLevelAverage', 0)}"
    return found
