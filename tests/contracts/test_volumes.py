"""Every method that predicts pixels predicts voxels, and keeps the promises there too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from torch import Tensor

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Task
from dmrnet.nn import Network
from dmrnet.testing import MethodCase, MethodTests
from dmrnet.testing.batches import task_of

SMALL = Network(width=8)
ALIKE = task_of(("volume", (1, 8, 8, 8)), ("volume", (1, 8, 8, 8)), dense=True)
APART = task_of(("volume", (2, 8, 16, 8)), ("volume", (1, 8, 16, 8)), dense=True)

QUICK = ("dmrnet", "hemis", "rfnet", "shaspec", "mmformer", "mmanet")
CANNOT = {"lcr": "every pixel", "ogm-md": "every pixel", "pe": "as map", "pcme": "as map"}
"""Methods that predict no voxels, with a word of what they say."""

OTHERS = sorted({*METHODS} - {*CANNOT, *QUICK})


class OnVolumes(MethodCase):
    main: ClassVar = "apart"
    tasks: ClassVar = {"apart": APART}

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest) -> Callable[[Task], Method]:
        name, recipe = request.param.split("/")
        return lambda task: build_method(name, task, recipe, network=SMALL)

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch whose present modalities show the classes of blocks of voxels.

        Instance norm would not tell volumes of one class apart.
        """
        batch = super().batch(method, mask, present)
        target = batch.target[:, ::4, ::4, ::4]
        for axis in (1, 2, 3):
            target = target.repeat_interleave(4, axis)
        columns = zip(batch.inputs.items(), batch.present.unbind(1), strict=True)
        shown = {
            name: x + 3 * (target * column.view(-1, 1, 1, 1))[:, None]
            for (name, x), column in columns
        }
        return replace(batch, inputs=shown, target=target)


def each(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("build", names, indirect=True, scope="class")


@each([f"{name}/best" for name in QUICK])
class TestQuick(OnVolumes):
    """The promises that depend on how a method reads and fuses levels."""

    test_every_combination_is_finite = MethodTests.test_every_combination_is_finite
    test_absent_inputs = MethodTests.test_absent_inputs_cannot_change_training
    test_every_parameter = MethodTests.test_every_parameter_has_a_gradient_from_the_first_epoch_on


@pytest.mark.slow
@each(
    [
        *(f"{name}/best" for name in (*QUICK, *OTHERS)),
        *("rfnet/paper", "shaspec/released-seg", "mmformer/released-seg", "dmrnet/released-seg"),
    ]
)
class TestAll(OnVolumes, MethodTests):
    """Everything but exporting, for modalities of one number of channels or of several."""

    small: ClassVar = "alike"
    tasks: ClassVar = {"apart": APART, "alike": ALIKE}
    test_it_exports_with_any_batch_size = None
    # On the deepest maps of these patches, of one or two positions, instance norm is a sign.
    test_bf16_is_near_float32 = None


@pytest.mark.parametrize(("name", "word"), CANNOT.items())
def test_others_say_that_they_cannot(name: str, word: str) -> None:
    """The refusal names the method or its setting."""
    with pytest.raises(ValueError, match=word):
        build_method(name, ALIKE, network=SMALL)
