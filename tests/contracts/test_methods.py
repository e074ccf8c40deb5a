"""Every method in the list, with every recipe, keeps the promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from dmrnet.methods import METHODS, build_method, method
from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.testing import MethodCase, MethodTests
from dmrnet.testing.batches import SMALL, TASKS

Choice = tuple[str, str, dict[str, Any]]

VARIANTS: list[Choice] = [
    ("dmr", "best", {"distribution": "vector"}),
    ("dmr", "best", {"distribution": "attention"}),
]
"""Settings that change the parts, besides those of recipes; `pe` and `pcme` have the same heads."""


SMALLER: dict[str, dict[str, Any]] = {"mmformer": {"embed": 16}, "flex-moe": {"embed": 16}}
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


class Listed(MethodCase):
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest):
        name, recipe, changes = request.param
        return lambda task: build_method(name, task, recipe, network=SMALL, **changes)


def each(choices: Iterable[Choice]) -> pytest.MarkDecorator:
    """Run every test of a class for each choice, all of one in a row: it is built once a task."""
    return pytest.mark.parametrize("build", choices, ids=label, indirect=True, scope="class")


FEW = ["separate"]
"""Methods for up to four modalities."""


EXPORTED = ["dmr", "experts", "shaspec"]
"""Methods that are exported each time; tracing takes longer than all other promises together.

That a forward pass reads no value, on which tracing would fail, is tested of all."""


CONCATENATING = [
    *("head-only", "pe", "pcme", "dmrnet", "full", "ogm-md", "mmpareto-md", "mmanet"),
    *("esanet-md", "mutual"),
]
"""Methods that encode and fuse as sf-md does: many modalities are told apart there."""


@each([(name, "best", {}) for name in METHODS if name not in FEW + CONCATENATING])
class TestMethods(Listed, MethodTests):
    """Everything but exporting, for tasks of one, of some and of many modalities."""

    tasks: ClassVar = {name: TASKS[name] for name in ("one", "two-images", "maps", "five")}
    small: ClassVar = "two-images"
    test_it_exports_with_any_batch_size = None


@each([(name, "best", {}) for name in CONCATENATING])
class TestConcatenating(Listed, MethodTests):
    """Everything but exporting, for tasks of one and of some modalities."""

    tasks: ClassVar = {name: TASKS[name] for name in ("one", "two-images", "maps")}
    small: ClassVar = "two-images"
    test_it_exports_with_any_batch_size = None


def test_what_concatenates_has_the_fusion_of_sf_md() -> None:
    built = {name: build_method(name, TASKS["maps"], network=SMALL) for name in CONCATENATING}
    assert {type(one.fusion) for one in built.values()} == {ConcatFusion}


@each([(name, "best", {}) for name in EXPORTED])
class TestExports(Listed):
    """Exporting, for two images."""

    main: ClassVar = "two-images"
    test_it_exports = MethodTests.test_it_exports_with_any_batch_size


@pytest.mark.slow
@each([(name, "best", {}) for name in METHODS if name not in EXPORTED] + VARIANTS)
class TestMoreExports(Listed):
    """As `TestExports`."""

    main: ClassVar = "two-images"
    test_it_exports = MethodTests.test_it_exports_with_any_batch_size


@pytest.mark.slow
@each([(name, "best", {}) for name in CONCATENATING])
class TestManyModalities(Listed, MethodTests):
    """For five modalities."""

    main: ClassVar = "five"
    tasks: ClassVar = {"five": TASKS["five"]}
    test_it_exports_with_any_batch_size = None
    test_misuse_raises = None


@pytest.mark.slow
@each([(name, "best", {}) for name in METHODS if name not in FEW] + VARIANTS)
class TestMoreTasks(Listed, MethodTests):
    """For mixed kinds of modalities, and for ten of them."""

    main: ClassVar = "mixed"
    tasks: ClassVar = {name: TASKS[name] for name in ("mixed", "ten")}
    test_it_exports_with_any_batch_size = None
    test_misuse_raises = None


@each([(name, "best", {}) for name in FEW])
class TestFewModalities(Listed, MethodTests):
    """Everything, for the tasks with up to four modalities."""

    tasks: ClassVar = {name: task for name, task in TASKS.items() if len(task.inputs) <= 4}
    small: ClassVar = "two-images"
    test_it_exports_with_any_batch_size = None


@pytest.mark.slow
@each(recipes())
class TestRecipes(Listed, MethodTests):
    """For two tasks; exporting and misuse are those of the recipe best."""

    tasks: ClassVar = {name: TASKS[name] for name in ("maps", "five")}
    test_it_exports_with_any_batch_size = None
    test_misuse_raises = None


@each(recipes())
class TestEveryRecipe(Listed):
    """A handful of promises, for one task; the numbers of released code are those of its parity."""

    tasks: ClassVar = {"maps": TASKS["maps"]}
    test_every_combination_is_finite = MethodTests.test_every_combination_is_finite
    test_hidden_inputs = MethodTests.test_hidden_inputs_cannot_change_inference
    test_absent_inputs = MethodTests.test_absent_inputs_cannot_change_training
    test_every_parameter = MethodTests.test_every_parameter_has_a_gradient_from_the_first_epoch_on
