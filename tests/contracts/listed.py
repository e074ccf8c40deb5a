"""Contract tests that run for each of several methods, and the parts of the contract they take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Task
from dmrnet.nn import Network
from dmrnet.testing import SMALL, MethodCase, MethodTests

Choice = tuple[str, str, dict[str, Any]]
"""A method, its recipe, and settings that differ from it."""


def best(names: Iterable[str], **changes: Any) -> list[Choice]:
    """Return each method by its best recipe."""
    return [(name, "best", changes) for name in names]


def label(choice: Choice) -> str:
    name, recipe, changes = choice
    return "-".join([name, recipe, *(str(x) for x in changes.values() if isinstance(x, str | int))])


def each(choices: Iterable[Choice], network: Network = SMALL) -> pytest.MarkDecorator:
    """Run every test of a class for each choice, all of one in a row: it is built once a task."""
    return pytest.mark.parametrize(
        "build",
        [
            pytest.param((name, recipe, {"network": network, **changes}), id=label(choice))
            for choice in choices
            for name, recipe, changes in [choice]
        ],
        indirect=True,
        scope="class",
    )


class Listed(MethodCase):
    """Tests of the methods that `each` names."""

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest) -> Callable[[Task], Method]:
        name, recipe, changes = request.param
        return lambda task: build_method(name, task, recipe, **changes)


class Everything(Listed, MethodTests):
    """Every promise but that of exporting, which takes longer than all others together."""

    test_it_exports_with_any_batch_size = None


class Most(Everything):
    """Every promise but those of exporting, learning and misuse."""

    test_training_lowers_the_loss = None
    test_misuse_raises = None


class Handful(Listed):
    """The promises that depend on how a method reads and fuses features."""

    test_every_combination_is_finite = MethodTests.test_every_combination_is_finite
    test_hidden_inputs = MethodTests.test_hidden_inputs_cannot_change_inference
    test_absent_inputs = MethodTests.test_absent_inputs_cannot_change_training
    test_every_parameter = MethodTests.test_every_parameter_has_a_gradient_from_the_first_epoch_on
    test_zero_gradients = MethodTests.test_an_encoder_that_nobody_needs_gets_zero_gradients
    test_one_sample = MethodTests.test_one_sample


class Exporting(Listed):
    """Exporting alone."""

    test_it_exports = MethodTests.test_it_exports_with_any_batch_size
