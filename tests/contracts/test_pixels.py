"""Every method that predicts pixels keeps the promises there too, on both networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import pytest
from torch import Tensor

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.nn import Network
from dmrnet.nn.encoders.resnet_layouts import LAYOUTS
from dmrnet.testing import MethodCase, MethodTests
from dmrnet.testing.batches import task_of

GENERIC = Network(width=8)
ESANET = Network(family="esanet", stem=8, layout="r18")

OWN = ["sf-md", "hemis", "rfnet", "shaspec", "mmformer", "unimodal", "experts"]
"""What has a network of its own; the others have that of sf-md, and `test_families` trains them."""

QUIRKS = [
    ("rfnet", "paper"),
    ("dgl", "paper"),
    ("shaspec", "released"),
    ("shaspec", "released-seg"),
]
"""Recipes that change what is computed for pixels."""

THREE = task_of(("image", (3, 32, 16)), ("image", (1, 32, 16)), ("image", (1, 32, 16)), dense=True)


Choice = tuple[str, str, Network]


class OnPixels(MethodCase):
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest):
        name, recipe, network = request.param
        with pytest.MonkeyPatch.context() as patched:
            # One block in most stages, where the layout has two in each.
            patched.setitem(LAYOUTS, "r18", replace(LAYOUTS["r18"], blocks=(2, 1, 1, 1)))
            yield lambda task: build_method(name, task, recipe, network=network)

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch in which all pixels of an image have one class, which can be learnt."""
        batch = super().batch(method, mask, present)
        return replace(batch, target=batch.target[:, :1, :1].expand_as(batch.target))


def label(choice: Choice) -> str:
    return "-".join(choice[:2])


def each(choices: Iterable[Choice]) -> pytest.MarkDecorator:
    """Run every test of a class for each choice, all of one in a row: it is built once a task."""
    return pytest.mark.parametrize("build", choices, ids=label, indirect=True, scope="class")


ALIKE = task_of(("image", (1, 16, 16)), ("image", (1, 16, 16)), dense=True)
ROOMS = task_of(("image", (3, 32, 64)), ("image", (1, 32, 64)), dense=True)

WHOLE = ["sf-md", "shaspec", "experts"]
"""Methods that keep every promise each time; the slow tests hold the others to all of them."""


class Handful(OnPixels):
    """The promises that depend on how a method reads and fuses levels."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}
    test_every_combination_is_finite = MethodTests.test_every_combination_is_finite
    test_hidden_inputs = MethodTests.test_hidden_inputs_cannot_change_inference
    test_absent_inputs = MethodTests.test_absent_inputs_cannot_change_training
    test_every_parameter = MethodTests.test_every_parameter_has_a_gradient_from_the_first_epoch_on
    test_zero_gradients = MethodTests.test_an_encoder_that_nobody_needs_gets_zero_gradients
    test_a_step_on_a_device = (
        MethodTests.test_a_step_on_a_device_waits_for_nothing_and_mixes_no_devices
    )
    test_one_sample = MethodTests.test_one_sample


@each([(name, "best", GENERIC) for name in WHOLE])
class TestGeneric(OnPixels, MethodTests):
    """Everything but exporting, for modalities of one number of channels or of several."""

    main: ClassVar = "three"
    small: ClassVar = "alike"
    tasks: ClassVar = {"three": THREE, "alike": ALIKE}
    test_it_exports_with_any_batch_size = None


@each(
    [(name, "best", GENERIC) for name in ("hemis", "rfnet", "mmformer", "unimodal", "transformer")]
)
class TestMoreGeneric(Handful):
    """A handful of promises, for one task."""


@each([("experts", "best", GENERIC)])
class TestExports(OnPixels):
    """Exporting, for two images."""

    main: ClassVar = "alike"
    tasks: ClassVar = {"alike": ALIKE}
    test_it_exports = MethodTests.test_it_exports_with_any_batch_size


@pytest.mark.slow
@each([(name, "best", GENERIC) for name in (*OWN, "transformer")])
class TestAllOfGeneric(OnPixels, MethodTests):
    """Everything, for one modality, too."""

    main: ClassVar = "three"
    small: ClassVar = "alike"
    tasks: ClassVar = {
        "one": task_of(("image", (2, 16, 32)), dense=True),
        "three": THREE,
        "alike": ALIKE,
    }


OTHERS = [(name, "best", GENERIC) for name in ("dmrnet", "mutual", "mmanet", "flex-moe")]


@pytest.mark.slow
@each([*OTHERS[1:], *((name, recipe, GENERIC) for name, recipe in QUIRKS)])
class TestMore(OnPixels, MethodTests):
    """As `TestOthers`."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None
    test_misuse_raises = None


@each(OTHERS[:1])
class TestOthers(OnPixels, MethodTests):
    """For one task; exporting, learning and misuse are those of the ones above."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None
    test_misuse_raises = None


TIMM = Network(width=8, encoder="timm:test_resnet", encoders={"m1": "auto"})


@pytest.mark.slow
@each([(name, "best", TIMM) for name in ("dmrnet", "hemis")])
class TestTimm(OnPixels, MethodTests):
    """With a backbone of timm's next to a small encoder; others test exporting and learning."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None
    test_misuse_raises = None


FAMILY = [(name, "best", ESANET) for name in OWN[1:] if name != "experts"]


@each(FAMILY)
class TestESANet(Handful):
    """A handful of promises on the other network."""

    main: ClassVar = "rooms"
    tasks: ClassVar = {"rooms": ROOMS}
    test_a_step_on_a_device = None
    test_one_sample = None


@pytest.mark.slow
@each(FAMILY)
class TestAllOfESANet(OnPixels, MethodTests):
    """Everything but what differs by the network alone."""

    main: ClassVar = "rooms"
    tasks: ClassVar = {"rooms": ROOMS}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None
    test_misuse_raises = None
