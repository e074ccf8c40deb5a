"""Every method's search range is declared, builds, and is on its documentation page."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmrnet.methods import METHODS, build_method, method
from dmrnet.methods.search import MOST, SEARCH, search_settings
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network

TASK = Task((Modality("a", "vector", (3,)), Modality("b", "vector", (2,))), ("x", "y"))
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "methods.md"


def test_every_method_has_a_range() -> None:
    assert set(SEARCH) == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_ranges_hold_the_default_and_build(name: str) -> None:
    settings = method(name).recipe("best")
    for key, values in SEARCH[name].items():
        assert getattr(settings, key) in values
        assert len(set(values)) == len(values) > 1
    tried = search_settings(name)
    assert 1 <= len(tried) <= MOST
    for changes in tried:
        build_method(name, TASK, network=Network(width=8), **changes)


def written(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else value


@pytest.mark.parametrize("name", [name for name in SEARCH if SEARCH[name]])
def test_the_page_lists_the_ranges(name: str) -> None:
    cells = "; ".join(
        f"`{key}` {', '.join(map(written, values))}" for key, values in SEARCH[name].items()
    )
    assert f"| `{name}` | {cells} |" in PAGE.read_text()
