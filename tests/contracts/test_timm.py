"""Methods on timm's backbones keep the promises that they keep on the small encoders."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from dmrnet.methods import build_method
from dmrnet.nn import Network
from dmrnet.testing import MethodCase, MethodTests
from dmrnet.testing.batches import task_of

# A convolutional one with batch norms; a transformer next to the first map of one of those.
NETWORKS = {
    "cnn": Network(width=8, encoder="timm:test_resnet"),
    "mixed": Network(width=8, encoder="timm:test_vit", encoders={"m1": "timm:test_resnet@0"}),
}


CHOICES = pytest.mark.parametrize(
    "build",
    [("sf-md", "cnn", {}), ("dmrnet", "mixed", {"encodes": "present"})],
    ids=lambda choice: "-".join(map(str, choice[:2])),
    indirect=True,
    scope="class",
)


class OnTimm(MethodCase):
    tasks: ClassVar = {
        "three": task_of(
            ("image", (3, 32, 48)), ("image", (1, 32, 32)), ("volume", (2, 2, 32, 32))
        ),
    }
    main = "three"

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest):
        name, network, changes = request.param
        settings: dict[str, Any] = {"network": NETWORKS[network], **changes}
        return lambda task: build_method(name, task, **settings)


@CHOICES
class TestTimm(OnTimm):
    """The promises that depend on the encoder."""

    test_every_combination_is_finite = MethodTests.test_every_combination_is_finite
    test_hidden_inputs = MethodTests.test_hidden_inputs_cannot_change_inference
    test_absent_inputs = MethodTests.test_absent_inputs_cannot_change_training
    test_every_parameter = MethodTests.test_every_parameter_has_a_gradient_from_the_first_epoch_on
    test_one_sample = MethodTests.test_one_sample
    test_rows = MethodTests.test_encoders_run_once_on_the_rows_that_are_named
    test_state = MethodTests.test_state_is_saved_and_loaded_without_pickled_code


@pytest.mark.slow
@CHOICES
class TestWhole(OnTimm, MethodTests):
    """Everything but misuse."""

    test_misuse_raises = None
