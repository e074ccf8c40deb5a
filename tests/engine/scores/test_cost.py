"""Operations of a prediction, against a separate count."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from dmrnet.engine.scores.cost import inference_flops
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network

VECTORS = Task((Modality("a", "vector", (5,)), Modality("b", "vector", (3,))), ("x", "y"))
IMAGES = Task(tuple(Modality(n, "image", (1, 16, 16)) for n in "ab"), ("x", "y"))


def test_linear_layers_are_counted_by_their_products() -> None:
    model = build_method("ogm-md", VECTORS, network=Network(width=8))
    weights = [p for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1]
    layers = [(p.shape[0], p[0].numel()) for p in weights]
    assert (2, 16) in layers  # the classifier
    assert inference_flops(model) == sum(2 * out * into for out, into in layers)
    assert model.training


def test_attention_is_counted(monkeypatch) -> None:
    model = build_method("mmformer", IMAGES, network=Network(width=8)).eval()
    whole = inference_flops(model)
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, k, v, *_: v)
    positions = model.fusion.grid[0] * model.fusion.grid[1]
    # Products of queries with keys and of weights with values: within two modalities, and of both.
    products = 2 * (2 * positions**2 * 8) + 2 * (2 * positions) ** 2 * 8
    assert whole - inference_flops(model) == 2 * products
    assert not model.training


def test_parts_of_terms_cost_nothing() -> None:
    torch.manual_seed(0)
    plain = inference_flops(build_method("sf-md", IMAGES, network=Network(width=8)))
    taught = inference_flops(build_method("mmanet", IMAGES, network=Network(width=8)))
    assert plain == taught > 0
