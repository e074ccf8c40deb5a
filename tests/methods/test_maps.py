"""What analyses look at, where a method's encoders are not plain ones."""

from __future__ import annotations

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.methods.probes import class_vectors, embedding, modality_maps
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network


def test_of_several_levels_the_deepest_that_all_have_is_taken() -> None:
    inputs = (Modality("rgb", "image", (3, 32, 32)), Modality("depth", "image", (1, 32, 32)))
    task = Task(inputs, ("a", "b"), dense=True)
    torch.manual_seed(0)
    method = build_method("sf-md", task, network=Network(family="esanet", stem=8)).eval()
    x = {m.name: torch.randn(2, *m.shape) for m in inputs}
    with torch.no_grad():
        feats = method.encode(x, {"rgb": None, "depth": None})
        maps = modality_maps(method, x, {"rgb": None, "depth": None})
    # The stages of the main modality go on from fused maps: of its own it has the stem's alone.
    assert {name: f.shape[1:] for name, f in maps.items()} == {
        "rgb": (8, 16, 16),
        "depth": (8, 16, 16),
    }
    assert torch.equal(maps["depth"], feats["depth.0"])
    assert class_vectors(method) is None


def test_experts_have_maps_but_no_embedding_of_a_combination() -> None:
    inputs = (Modality("a", "image", (1, 8, 8)), Modality("b", "vector", (4,)))
    method = build_method("unimodal", Task(inputs, ("x", "y"))).eval()
    x = {m.name: torch.randn(3, *m.shape) for m in inputs}
    rows = {"a": torch.tensor([0, 2]), "b": None}
    with torch.no_grad():
        feats = method.encode(x, rows)
        maps = modality_maps(method, x, rows, feats)
        expected = method.encoders[0].encoder(x["a"][[0, 2]])
    torch.testing.assert_close(maps["a"][[0, 2]], expected)
    assert not maps["a"][1].any()
    assert feats["a"].shape[1:] == (2, 1, 1)
    with pytest.raises(ValueError, match="no embedding of a combination"):
        embedding(method, feats, torch.ones(3, 2, dtype=torch.bool))
