"""How a test class of the contract finds its method."""

from __future__ import annotations

import pytest

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Task
from dmrnet.testing import SMALL, TASKS
from dmrnet.testing.case import builder


def of_function(task: Task) -> Method:
    return build_method("sf-md", task, network=SMALL)


def test_a_method_is_built_by_name_small_where_it_has_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(METHODS, "_paths", dict(METHODS._paths))
    METHODS.register("of-function")(of_function)
    task = TASKS["two-images"]
    by_function, by_name = (builder(name, "best") for name in ("of-function", "sf-md"))
    sizes = [sum(p.numel() for p in build(task).parameters()) for build in (by_function, by_name)]
    assert sizes[0] == sizes[1] == sum(p.numel() for p in of_function(task).parameters())
    # The same function every time, so that what it builds is kept.
    assert builder("sf-md", "best") is by_name
