"""Methods on timm's backbones keep the promises that they keep on the small encoders."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from dmrnet.methods import build_method
from dmrnet.nn import Network
from dmrnet.testing import MethodTests
from dmrnet.testing.batches import task_of

# A convolutional one with batch norms; a transformer next to the first map of one of those.
NETWORKS = {
    "cnn": Network(width=8, encoder="timm:test_resnet"),
    "mixed": Network(width=8, encoder="timm:test_vit", encoders={"m1": "timm:test_resnet@0"}),
}


@pytest.mark.parametrize(
    "build",
    [("sf-md", "cnn", {}), ("dmrnet", "mixed", {"encodes": "present"})],
    ids=lambda choice: "-".join(map(str, choice[:2])),
    indirect=True,
    scope="class",
)
class TestTimm(MethodTests):
    tasks: ClassVar = {
        "three": task_of(
            ("image", (3, 32, 48)), ("image", (1, 32, 32)), ("volume", (2, 2, 32, 32))
        ),
    }
    main = "three"
    test_misuse_raises = None

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, request: pytest.FixtureRequest):
        name, network, changes = request.param
        settings: dict[str, Any] = {"network": NETWORKS[network], **changes}
        return lambda task: build_method(name, task, **settings)
