"""Every method in the list, with every recipe, keeps the promises."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.contracts.listed import Choice, Everything, Exporting, Handful, best, each

from dmrnet.methods import METHODS, build_method, method
from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.testing.batches import SMALL, TASKS

VARIANTS: list[Choice] = [
    ("dmr", "best", {"distribution": "vector"}),
    ("dmr", "best", {"distribution": "attention"}),
]
"""Settings that change the parts, besides those of recipes; `pe` and `pcme` have the same heads."""


SMALLER = {"mmformer": {"embed": 16}, "flex-moe": {"embed": 16}}
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


FEW = ["separate"]
"""Methods for up to four modalities."""


EXPORTED = ["experts", "shaspec"]
"""Methods that are exported each time.

That a forward pass reads no value, on which tracing would fail, is tested of all."""


CONCATENATING = [
    *("head-only", "pe", "pcme", "dmrnet", "full", "ogm-md", "mmpareto-md", "mmanet"),
    *("esanet-md", "mutual"),
]
"""Methods that encode and fuse as sf-md does: numbers of modalities are told apart there."""


@each(best(name for name in METHODS if name not in FEW + CONCATENATING))
class TestMethods(Everything):
    """For tasks of one and of some modalities."""

    tasks: ClassVar = {name: TASKS[name] for name in ("one", "maps")}


@each(best(CONCATENATING))
class TestConcatenating(Everything):
    """For a task of some modalities."""

    tasks: ClassVar = {"maps": TASKS["maps"]}


def test_what_concatenates_has_the_fusion_of_sf_md() -> None:
    built = {name: build_method(name, TASKS["maps"], network=SMALL) for name in CONCATENATING}
    assert {type(one.fusion) for one in built.values()} == {ConcatFusion}


@each(best(EXPORTED))
class TestExports(Exporting):
    """For two images."""

    main: ClassVar = "two-images"


@pytest.mark.slow
@each(best(name for name in METHODS if name not in EXPORTED) + VARIANTS)
class TestMoreExports(Exporting):
    """For two images."""

    main: ClassVar = "two-images"


@pytest.mark.slow
@each(best(CONCATENATING))
class TestManyModalities(Everything):
    """For one, two and five modalities."""

    main: ClassVar = "five"
    small: ClassVar = "two-images"
    tasks: ClassVar = {name: TASKS[name] for name in ("one", "two-images", "five")}
    test_misuse_raises = None


@pytest.mark.slow
@each(best(name for name in METHODS if name not in FEW) + VARIANTS)
class TestMoreTasks(Everything):
    """For images of one pixel, for mixed kinds of modalities, and for many of them."""

    main: ClassVar = "mixed"
    tasks: ClassVar = {name: TASKS[name] for name in ("two-images", "mixed", "five", "ten")}
    test_misuse_raises = None


@each(best(FEW))
class TestFewModalities(Everything):
    """For tasks of one and of some modalities."""

    tasks: ClassVar = {name: TASKS[name] for name in ("one", "maps")}


@pytest.mark.slow
@each(best(FEW))
class TestMoreOfFewModalities(Everything):
    """For four mixed modalities."""

    main: ClassVar = "mixed"
    small: ClassVar = "two-images"
    tasks: ClassVar = {name: TASKS[name] for name in ("two-images", "mixed")}


@pytest.mark.slow
@each(recipes())
class TestRecipes(Everything):
    """For two tasks; misuse is that of the recipe best."""

    tasks: ClassVar = {name: TASKS[name] for name in ("maps", "five")}
    test_misuse_raises = None


@each(recipes())
class TestEveryRecipe(Handful):
    """Two promises, for one task; the numbers of released code are those of its parity."""

    tasks: ClassVar = {"maps": TASKS["maps"]}
    test_hidden_inputs = None
    test_every_parameter = None
    test_zero_gradients = None
    test_one_sample = None
