"""What all built-in models and networks say of themselves."""

from __future__ import annotations

from urllib.parse import urlparse

import pytest

from vsvfi.models import registry, weights
from vsvfi.models.info import NetworkInfo

INFOS = {**registry.networks(), **registry.enhancers(), **registry.backends()}


@pytest.mark.parametrize("name", INFOS)
def test_descriptions_name_their_paper_and_cannot_be_changed(name: str) -> None:
    info = INFOS[name]
    hash(info)
    assert bool(info.title) == bool(info.arxiv)
    assert info.title or name.startswith("gmfss"), (
        "the title of the paper is missing"
    )  # GMFSS was published as code only


@pytest.mark.parametrize("name", [name for name, info in INFOS.items() if info.checkpoints])
def test_sources_send_files(name: str) -> None:
    """An address is complete; without any, the page is there to go to."""
    info: NetworkInfo = INFOS[name]
    for checkpoint in info.checkpoints:
        assert urlparse(checkpoint.url).scheme in ("http", "https")
        for place in weights.sources(info, checkpoint):
            parts = urlparse(place)
            assert parts.scheme in ("http", "https")
            assert parts.netloc
            assert parts.path not in ("", "/")
