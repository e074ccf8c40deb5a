"""Every method that predicts pixels keeps the promises there too, on both networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from tests.contracts.listed import Everything, Exporting, Handful, Listed, Most, best, each
from torch import Tensor

from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.nn import Network
from dmrnet.nn.encoders.resnet_layouts import LAYOUTS
from dmrnet.testing.batches import task_of

GENERIC = Network(width=8)
ESANET = Network(family="esanet", stem=4, layout="r18")
TIMM = Network(width=8, encoder="timm:test_resnet", encoders={"m1": "auto"})

OWN = ["sf-md", "hemis", "rfnet", "shaspec", "mmformer", "unimodal", "experts"]
"""What has a network of its own; the others have that of sf-md, and `test_families` trains them."""

FAMILY = [name for name in OWN if name not in ("sf-md", "experts")]
"""What the other network changes."""

QUIRKS = [
    ("rfnet", "paper", {}),
    ("dgl", "paper", {}),
    ("shaspec", "released", {}),
    ("shaspec", "released-seg", {}),
]
"""Recipes that change what is computed for pixels."""

TASKS = {
    "one": task_of(("image", (2, 16, 32)), dense=True),
    "three": task_of(
        ("image", (3, 32, 16)), ("image", (1, 32, 16)), ("image", (1, 32, 16)), dense=True
    ),
    "alike": task_of(("image", (1, 16, 16)), ("image", (1, 16, 16)), dense=True),
    "rooms": task_of(("image", (3, 32, 64)), ("image", (1, 32, 64)), dense=True),
}


class OnPixels(Listed):
    """Three images of different numbers of channels; two of the same where learning is tested."""

    main: ClassVar = "three"
    small: ClassVar = "alike"
    tasks: ClassVar = {"three": TASKS["three"], "alike": TASKS["alike"]}

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def few_blocks(cls) -> Iterator[None]:
        """Let most stages have one block, where the layout has two in each."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(LAYOUTS, "r18", replace(LAYOUTS["r18"], blocks=(2, 1, 1, 1)))
            yield

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch in which all pixels of an image have one class, which can be learnt."""
        batch = super().batch(method, mask, present)
        return replace(batch, target=batch.target[:, :1, :1].expand_as(batch.target))


class OfThree(OnPixels):
    tasks: ClassVar = {"three": TASKS["three"]}


class OfRooms(OnPixels):
    main: ClassVar = "rooms"
    tasks: ClassVar = {"rooms": TASKS["rooms"]}


@each(best(["shaspec"]), GENERIC)
class TestGeneric(OnPixels, Everything):
    """Every promise, of the method that overrides `encode`."""


@each(best(["sf-md", "experts", "dmrnet", *FAMILY[:2], *FAMILY[3:], "transformer"]), GENERIC)
class TestMoreGeneric(OfThree, Handful):
    """The promises that depend on the network; the slow tests hold all methods to all of them."""


@each(best(FAMILY), ESANET)
class TestESANet(OfRooms, Handful):
    """The same on the other network."""

    test_every_parameter = None
    test_zero_gradients = None
    test_one_sample = None


@pytest.mark.slow
@each(best([*OWN, "transformer"]), GENERIC)
class TestAllOfGeneric(OnPixels, Everything):
    """For one modality, too."""

    tasks: ClassVar = {name: TASKS[name] for name in ("one", "three", "alike")}


@pytest.mark.slow
@each(best([*OWN, "transformer"]), GENERIC)
class TestExports(OnPixels, Exporting):
    main: ClassVar = "alike"


@pytest.mark.slow
@each([*best(["dmrnet", "mutual", "mmanet", "flex-moe"]), *QUIRKS], GENERIC)
class TestMore(OfThree, Most):
    """What has the network of sf-md, and recipes."""


@pytest.mark.slow
@each(best(["dmrnet", "hemis"]), TIMM)
class TestTimm(OfThree, Most):
    """With a backbone of timm's next to a small encoder."""


@pytest.mark.slow
@each(best(FAMILY), ESANET)
class TestAllOfESANet(OfRooms, Most):
    """Everything but what differs by the network alone."""
