"""Every method that predicts pixels keeps the promises there too, on both networks."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
from tests.contracts.batches import task_of
from tests.contracts.method import MethodContract
from torch import Tensor

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.nn import Network

GENERIC = Network(width=8)
ESANET = Network(family="esanet", stem=8, layout="r18")

OWN = ["sf-md", "hemis", "rfnet", "shaspec", "mmformer", "unimodal"]
"""What has a network of its own; the others have that of sf-md, and `test_families` trains them."""

QUIRKS = [
    ("rfnet", "paper"),
    ("shaspec", "released"),
    ("shaspec", "released-seg"),
]
"""Recipes that change what is computed for pixels."""

THREE = task_of(("image", (3, 32, 16)), ("image", (1, 32, 16)), ("image", (1, 32, 16)), dense=True)


class OnPixels(MethodContract):
    @pytest.fixture
    def build(self, request: pytest.FixtureRequest):
        name, recipe, network = request.param
        return lambda task: build_method(name, task, recipe, network=network)

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch in which all pixels of an image have one class, which can be learnt."""
        batch = super().batch(method, mask, present)
        return replace(batch, target=batch.target[:, :1, :1].expand_as(batch.target))


def label(choice: tuple[str, str, Network]) -> str:
    return "-".join(choice[:2])


@pytest.mark.parametrize("build", [(n, "best", GENERIC) for n in OWN], ids=label, indirect=True)
class TestGeneric(OnPixels):
    """Everything, for one to three modalities, of one number of channels or of several."""

    main: ClassVar = "three"
    tasks: ClassVar = {
        "one": task_of(("image", (2, 16, 32)), dense=True),
        "three": THREE,
        "alike": task_of(("image", (1, 16, 16)), ("image", (1, 16, 16)), dense=True),
    }


OTHERS = [(name, "best", GENERIC) for name in ("dmrnet", "mutual", "mmanet")]


@pytest.mark.parametrize(
    "build", OTHERS + [(n, r, GENERIC) for n, r in QUIRKS], ids=label, indirect=True
)
class TestOthers(OnPixels):
    """For one task; exporting and learning are those of the ones above."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None


TIMM = Network(width=8, encoder="timm:test_resnet", encoders={"m1": "auto"})


@pytest.mark.parametrize(
    "build", [(n, "best", TIMM) for n in ("dmrnet", "hemis")], ids=label, indirect=True
)
class TestTimm(OnPixels):
    """With a backbone of timm's next to a small encoder."""

    main: ClassVar = "three"
    tasks: ClassVar = {"three": THREE}


@pytest.mark.parametrize("build", [(n, "best", ESANET) for n in OWN[1:]], ids=label, indirect=True)
class TestESANet(OnPixels):
    """For one task, without what differs by the network alone."""

    main: ClassVar = "rooms"
    tasks: ClassVar = {"rooms": task_of(("image", (3, 32, 64)), ("image", (1, 32, 64)), dense=True)}
    test_it_exports_with_any_batch_size = None
    test_training_lowers_the_loss = None
    test_float64_works_all_the_way = None
