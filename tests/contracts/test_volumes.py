"""Every method that predicts pixels predicts voxels, and keeps the promises there too."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
from tests.contracts.listed import Everything, Handful, Listed, best, each
from torch import Tensor

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.nn import Network
from dmrnet.testing import MethodTests
from dmrnet.testing.batches import task_of

SMALL = Network(width=8)
ALIKE = task_of(("volume", (1, 8, 8, 8)), ("volume", (1, 8, 8, 8)), dense=True)
APART = task_of(("volume", (2, 8, 16, 8)), ("volume", (1, 8, 16, 8)), dense=True)

WIDE = task_of(("volume", (1, 32, 32, 32)), ("volume", (1, 32, 32, 32)), dense=True)

QUICK = ("dmrnet", "hemis", "rfnet", "shaspec", "mmformer", "mmanet")
CANNOT = {"lcr": "every pixel", "ogm-md": "every pixel", "pe": "as map", "pcme": "as map"}
"""Methods that predict no voxels, with a word of what they say."""

OTHERS = sorted({*METHODS} - {*CANNOT, *QUICK})


class OnVolumes(Listed):
    main: ClassVar = "apart"
    tasks: ClassVar = {"apart": APART}

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


RECIPES = [
    ("rfnet", "paper", {}),
    *((name, "released-seg", {}) for name in ("shaspec", "mmformer", "dmrnet")),
]


@each(best(QUICK), SMALL)
class TestQuick(OnVolumes, Handful):
    """The promises that depend on how a method reads and fuses levels."""

    test_hidden_inputs = None
    test_zero_gradients = None
    test_one_sample = None


@pytest.mark.slow
@each([*best([*QUICK, *OTHERS]), *RECIPES], SMALL)
class TestAll(OnVolumes, Everything):
    """Everything but exporting, for modalities of one number of channels or of several."""

    small: ClassVar = "alike"
    tasks: ClassVar = {"apart": APART, "alike": ALIKE}
    # On the deepest maps of these patches, of one or two positions, instance norm is a sign.
    test_bf16_is_near_float32 = None  # `TestInHalfPrecision` holds methods to it


@pytest.mark.slow
@each(best([*QUICK, *OTHERS]), SMALL)
class TestInHalfPrecision(OnVolumes):
    """Patches whose deepest maps have eight positions."""

    main: ClassVar = "wide"
    tasks: ClassVar = {"wide": WIDE}
    test_bf16 = MethodTests.test_bf16_is_near_float32


@pytest.mark.parametrize(("name", "word"), CANNOT.items())
def test_others_say_that_they_cannot(name: str, word: str) -> None:
    """The refusal names the method or its setting."""
    with pytest.raises(ValueError, match=word):
        build_method(name, ALIKE, network=SMALL)
