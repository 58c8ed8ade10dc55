"""Conformance checks for backends, for the built-in ones and for those of plugin authors.

A plugin's test is four lines::

    from vsvfi import testing
    from my_plugin import INFOS

    CASES = testing.cases(INFOS)

    @pytest.mark.parametrize("case", CASES)
    def test_conformance(case):
        CASES[case]()

Networks are made small and untrained by ``example(name) -> nn.Module``, which stands beside the ``build`` that
`vsvfi.models.info.NetworkInfo` names: no weights are needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from vsvfi.models.info import BackendInfo, load_object

__all__ = ["cases", "check_description"]

type Check = Callable[[BackendInfo], None]


def check_description(info: BackendInfo) -> None:
    """What a backend says of itself is complete, and the code that it names is there."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", info.name), f"{info.name!r}: use lower case, digits, '.', '+' and '-'"
    assert info.summary, "a line for `vsvfi models` is missing"
    assert "://" not in info.title, f"title is the paper's title, not an address, got {info.title!r}"
    assert not info.arxiv or re.fullmatch(r"\d{4}\.\d{4,5}", info.arxiv), (
        f"arxiv is a number such as 2304.09790, got {info.arxiv!r}"
    )
    assert info.title or not info.arxiv, "arxiv is given, but the title of the paper is missing"
    assert info.code_license, "the licence of the code is missing"
    assert {0, 1} <= set(info.window), f"the window {info.window} misses a frame beside the new one"
    assert list(info.window) == sorted(set(info.window)), f"the window {info.window} is not ascending"
    assert set(info.qualities) <= {"fast", "balanced", "best"}, f"unknown qualities {info.qualities}"
    for field in ("multiple", "minimum", "spatial_scale"):
        assert getattr(info, field) >= 1, f"{field} is {getattr(info, field)}, expected at least 1"
    assert callable(load_object(info.backend)), f"{info.backend} is no class or function"
    if info.planes:
        return
    if info.build:
        assert callable(load_object(info.build)), f"{info.build} is no function"
    if info.needs_weights:
        assert info.layouts, "a published checkpoint cannot be recognised: there is no layout"
        assert info.weights_license or all(checkpoint.license for checkpoint in info.checkpoints), (
            "the licence of the weights is missing"
        )
    for layout in info.layouts:
        assert layout.has_all or layout.has_any or layout.shapes, "a layout without conditions fits every file"
    names = [checkpoint.name for checkpoint in info.checkpoints]
    assert len(names) == len(set(names)), f"two checkpoints have one name: {names}"


def cases(infos: Iterable[BackendInfo], *, compiled: Iterable[str] = ()) -> dict[str, Callable[[], None]]:
    """Every check that applies to every backend, by a name for the test's id.

    Args:
        infos: the backends.
        compiled: the names of those to run through ``torch.compile`` as well, which takes seconds each.
    """
    also_compiled = set(compiled)
    found: dict[str, Callable[[], None]] = {}
    for info in infos:
        checks: list[Check] = [check_description]
        if info.planes:
            from vsvfi.testing import planes

            checks += planes.CHECKS
        else:
            from vsvfi.testing import networks

            checks += networks.applicable(info)
            if info.name in also_compiled:
                checks.append(networks.check_compiled)
        for check in checks:
            found[f"{info.name}-{check.__name__.removeprefix('check_')}"] = partial(check, info)
    return found
