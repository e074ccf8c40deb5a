"""Every method in the list, with every recipe, keeps the promises."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.contracts.batches import SMALL, TASKS
from tests.contracts.method import MethodContract

from dmrnet.methods import METHODS, build_method, method

Choice = tuple[str, str, dict[str, Any]]

VARIANTS: list[Choice] = [
    ("dmr", "best", {"distribution": "vector"}),
    ("dmr", "best", {"distribution": "attention"}),
]
"""Settings that change the parts, besides those of recipes."""


SMALLER: dict[str, dict[str, Any]] = {"mmformer": {"embed": 16}}
"""What recipes set so large that tests would wait for it."""


def recipes() -> list[Choice]:
    """Return the recipes but `best`, of those that set the same the first."""
    chosen: list[Choice] = []
    for name in METHODS:
        settings = method(name)
        different = [settings.recipe("best")]
        for recipe in settings.recipes:
            if settings.recipe(recipe) not in different:
                different.append(settings.recipe(recipe))
                chosen.append((name, recipe, SMALLER.get(name, {})))
    return chosen


def label(choice: Choice) -> str:
    return "-".join(map(str, (*choice[:2], *choice[2].values())))


class Listed(MethodContract):
    @pytest.fixture
    def build(self, request: pytest.FixtureRequest):
        name, recipe, changes = request.param
        return lambda task: build_method(name, task, recipe, network=SMALL, **changes)


@pytest.mark.parametrize(
    "build", [(n, "best", {}) for n in METHODS] + VARIANTS, ids=label, indirect=True
)
class TestMethods(Listed):
    """Everything, for every task."""


@pytest.mark.parametrize("build", recipes(), ids=label, indirect=True)
class TestRecipes(Listed):
    """For two tasks, and without export: the graph is that of the recipe best."""

    tasks: ClassVar = {name: TASKS[name] for name in ("maps", "five")}
    test_it_exports_with_any_batch_size = None
