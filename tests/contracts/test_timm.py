"""Methods on timm's backbones keep the promises that they keep on the small encoders."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.contracts.listed import Choice, Handful, Listed, each

from dmrnet.nn import Network
from dmrnet.testing import MethodTests
from dmrnet.testing.batches import task_of

# A convolutional one with batch norms; a transformer next to the first map of one of those.
CNN = Network(width=8, encoder="timm:test_resnet")
MIXED = Network(width=8, encoder="timm:test_vit", encoders={"m1": "timm:test_resnet@0"})
CHOICES: list[Choice] = [
    ("sf-md", "best", {"network": CNN}),
    ("dmrnet", "best", {"network": MIXED, "encodes": "present"}),
]


class OnTimm(Listed):
    main: ClassVar = "three"
    tasks: ClassVar = {
        "three": task_of(
            ("image", (3, 32, 48)), ("image", (1, 32, 32)), ("volume", (2, 2, 32, 32))
        ),
    }


@each(CHOICES)
class TestTimm(OnTimm, Handful):
    """The promises that depend on the encoder."""

    test_zero_gradients = None
    test_rows = MethodTests.test_encoders_run_once_on_the_rows_that_are_named
    test_state = MethodTests.test_state_is_saved_and_loaded_without_pickled_code


@pytest.mark.slow
@each(CHOICES)
class TestWhole(OnTimm, MethodTests):
    """Every promise but misuse."""

    test_misuse_raises = None
