"""Weight decay acts on the weights of linear layers and convolutions, and on nothing else."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch
from tests.methods.test_families import REFUSE
from torch import nn

from dmrnet.engine.training.optim import build_optimizer
from dmrnet.methods import METHODS, build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network
from dmrnet.settings.training import Training

VECTORS = Task((Modality("a", "vector", (3,)), Modality("b", "sequence", (2, 9))), ("x", "y"))
FACES = Task(
    (Modality("rgb", "image", (3, 32, 32)), Modality("ir", "image", (3, 32, 32))), ("a", "b")
)
ROOMS = Task(FACES.inputs, ("wall", "floor"), dense=True)
CASES = {
    "vectors": (VECTORS, Network(width=8)),
    "images": (FACES, Network(width=8)),
    "surf": (FACES, Network(family="surf", stem=8)),
    "ogm": (FACES, Network(family="ogm", stem=8)),
    "esanet": (ROOMS, Network(family="esanet", stem=8, layout="r18")),
    "pixels": (ROOMS, Network(width=8)),
}
REFUSED = {"esanet": REFUSE["esanet"], "pixels": REFUSE["generic, every pixel"]}
PAIRS = [
    # Of images and of faces fused as vectors, the other cases have every kind of layer.
    pytest.param(case, name, marks=[pytest.mark.slow] * (case in ("images", "ogm")))
    for case, name in product(CASES, METHODS)
    if name not in REFUSED.get(case, ())
]

LINEAR = {nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d}
NO_WEIGHTS = re.compile(
    r"bias$|\.b[12]$|\.position$"  # of layers; of RFNet's regions; of tokens
    r"|\.first$|\.(table|base)$"  # first token of transformer, bank of flex-moe
    r"|fusion\.pool\.(scale|weight)$"  # by number of modalities, of experts
)
"""Names of parameters that are neither weights nor part of a norm."""


def groups_of(model: nn.Module) -> tuple[set[int], set[int]]:
    """Identities of the parameters that are decayed, and of those that are not."""
    decayed, others = build_optimizer(model, Training(weight_decay=0.1).sized(100)).param_groups
    assert decayed["weight_decay"] == 0.1
    assert others["weight_decay"] == 0
    return {id(p) for p in decayed["params"]}, {id(p) for p in others["params"]}


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_exactly_the_weights_of_every_method_are_decayed(case: str, name: str) -> None:
    task, network = CASES[case]
    model = build_method(name, task, network=network)
    decayed, others = groups_of(model)
    assert not decayed & others
    assert decayed | others == {id(p) for p in model.parameters()}
    for owner_name, owner in model.named_modules():
        for name, parameter in owner.named_parameters(recurse=False):
            linear = bool(LINEAR & set(type(owner).__mro__)) and name == "weight"
            products = type(owner).__name__ == "RegionWeights" and name in ("w1", "w2")
            norm = "Norm" in type(owner).__name__
            known = norm or NO_WEIGHTS.search(f"{owner_name}.{name}") is not None
            assert (linear or products) != known, f"{owner_name}.{name}: is it a weight?"
            assert (id(parameter) in decayed) is not known


class Tokens(nn.Module):
    """Parameters of two and three dimensions that are no weights, next to one that is."""

    decayed = ("mix",)

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 4, 8))
        self.mix = nn.Parameter(torch.zeros(8, 8))
        self.norm = nn.LayerNorm((4, 8))
        self.attention = nn.MultiheadAttention(8, 2)
        self.recurrent = nn.GRU(8, 8)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.linear = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.linear.weight


def test_shape_does_not_decide() -> None:
    model = Tokens()
    decayed, others = groups_of(model)
    names = {n for n, p in model.named_parameters() if id(p) in decayed}
    assert names == {
        "mix",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "recurrent.weight_ih_l0",
        "recurrent.weight_hh_l0",
        "linear.weight",
    }
    assert {id(model.token), id(model.norm.weight), id(model.norm.bias)} <= others
    assert not {id(p) for p in model.frozen.parameters()} & (decayed | others)
