"""IFRNet."""

from __future__ import annotations

from typing import Any

from harness import Case, Results
from steps import outputs

MODELS = {"ifrnet": "ifrnet", "ifrnet_s": "ifrnet-s", "ifrnet_l": "ifrnet-l"}


def run(network: Any, case: Case) -> Results:
    """One call; the recorded intermediates are what the decoders and the encoder return."""
    with outputs(network, "decoder4", "decoder1", "encoder.pyramid4") as kept:
        out = network(case["frame0"], case["frame1"], case["timestep"].reshape(1), case.number("scale_factor"))
    return {
        "out": out,
        "dec4": kept["decoder4"][0][:, :4],
        "dec1": kept["decoder1"][0],
        "enc_frame0_l4": kept["encoder.pyramid4"][0],
    }
