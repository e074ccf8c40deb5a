"""The list of methods, their settings and recipes."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from dmrnet.methods import METHODS, build_method, method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import DMR, PCME, PE, MeanHead, Network, Point
from dmrnet.objectives import Distribution, HardCombinations

NOT_PRINTED = {"mutual", "separate", "experts", "transformer", "flex-moe"}
"""Methods that are ours, or whose paper was not read as a whole: no recipe paper."""

TASK = Task((Modality("a", "vector", (3,)), Modality("b", "image", (1, 8, 8))), ("no", "yes"))


@pytest.mark.parametrize("name", METHODS)
def test_a_listed_method_has_its_name_a_summary_and_the_recipes(name: str) -> None:
    settings = method(name)
    assert settings.name == name
    assert settings.summary
    assert set(settings.recipes) >= ({"best"} if name in NOT_PRINTED else {"best", "paper"})
    known = {f.name for f in fields(settings)}
    for recipe, values in settings.recipes.items():
        assert set(values) <= known, recipe
    # Defaults are the recipe best: what is not set is what measured best.
    assert settings() == settings.recipe("best")


def test_the_paper_is_its_letter() -> None:
    paper = method("dmrnet").recipe("paper")
    assert (paper.alpha, paper.beta, paper.hard_size) == (1e-3, 0.7, None)
    assert (paper.reduction, paper.predicts, paper.mine_by) == ("sum", "log_sigma", "variance")
    assert paper.distribution == "map"
    assert paper.encodes == "present"
    assert not paper.hard_broadcast


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("sf-md", {}, Point),
        ("head-only", {}, MeanHead),
        ("dmr", {}, DMR),
        ("dmr", {"distribution": "vector"}, PE),
        ("dmr", {"distribution": "attention"}, PCME),
        ("pe", {}, PE),
        ("pcme", {}, PCME),
        ("dmrnet", {}, DMR),
    ],
)
def test_methods_differ_in_what_they_mean_to_differ_in(
    name: str, changes: dict[str, str], part: type
) -> None:
    """For one seed, everything but the representation has the same initial weights."""
    torch.manual_seed(0)
    base = build_method("sf-md", TASK)
    torch.manual_seed(0)
    other = build_method(name, TASK, **changes)
    assert type(other.representation) is part
    for kept in ("encoders", "fusion", "predictor"):
        mine, theirs = (getattr(m, kept).state_dict() for m in (other, base))
        assert all(torch.equal(mine[key], value) for key, value in theirs.items())
    terms = {type(t) for t in other.objective.terms}
    assert (Distribution in terms) == (name not in ("sf-md", "head-only"))
    assert (HardCombinations in terms) == (name == "dmrnet")


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_needs_is_declared(name: str) -> None:
    """None needs complete samples; one needs another method first; the engine checks both."""
    built = build_method(name, TASK, network=Network(width=8))
    assert not built.needs.complete
    assert built.needs.prerequisite == ("full" if name == "mmanet" else None)


def test_settings_reach_the_parts() -> None:
    built = build_method(
        "dmrnet",
        TASK,
        "paper",
        alpha=0.2,
        beta=0.3,
        hard_size=1,
        hard_start=2,
        mine_momentum=0.1,
        mine_min_count=3.0,
        mine_until=4,
        smoothing=0.1,
        network=Network(width=16),
    )
    _, distribution, hard = built.objective.terms
    assert (distribution.full_weight, distribution.reduction) == (0.2, "sum")
    assert (hard.full_weight, hard.start_epoch) == (0.3, 2)
    miner = built.miner
    assert miner is hard.miner
    assert (miner.by, miner.size, miner.momentum) == ("variance", 1, 0.1)
    assert (miner.min_count, miner.freeze_after) == (3.0, 4)
    assert built.smoothing == 0.1
    assert built.predictor.linear.in_features == 16
    assert built.representation.predicts == "log_sigma"


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (("dmrnt", TASK), {}, "unknown method 'dmrnt'; did you mean 'dmrnet'?"),
        (("dmr", TASK, "papr"), {}, "dmr has no recipe 'papr'; did you mean 'paper'?"),
        (("dmr", TASK), {"alhpa": 1}, "dmr has no setting 'alhpa'; did you mean 'alpha'?"),
        (("dmr", TASK), {"distribution": "x"}, "map, vector, attention, got 'x'"),
        (
            ("pe", TASK),
            {"distribution": "map"},
            "distribution as vector for pe, got 'map'; use dmr",
        ),
        (("dmr", TASK), {"encodes": "all"}, "encodes as mask or present, got 'all'"),
        (("dmr", TASK), {"alpha": -1}, "weight of distribution of 0 or more, got -1"),
    ],
)
def test_mistakes_raise(arguments, changes, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below
        build_method(*arguments, **changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "network predicts one class per sample") for name in ("ogm-md", "lcr")),
        *((name, "distribution as map, since every pixel has a class") for name in ("pe", "pcme")),
    ],
)
def test_a_dense_task_is_refused_by_methods_that_classify_samples(name: str, why: str) -> None:
    dense = Task((Modality("a", "image", (1, 16, 16)),), ("no", "yes"), dense=True)
    build_method("sf-md", dense)
    with pytest.raises(ValueError, match=why):
        build_method(name, dense)


def test_esanet_md_is_sf_md_on_esanet() -> None:
    rooms = Task(
        (Modality("rgb", "image", (3, 64, 64)), Modality("depth", "image", (1, 64, 64))),
        ("wall", "floor"),
        dense=True,
    )
    assert method("esanet-md")().network.family == "esanet"
    small = method("esanet-md")().network.__class__(stem=8, layout="r18")
    torch.manual_seed(0)
    ours = build_method("esanet-md", rooms, network=small)
    torch.manual_seed(0)
    theirs = build_method("sf-md", rooms, network=Network(family="esanet", stem=8, layout="r18"))
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    assert [term.name for term in ours.objective.terms] == ["task"]
    with pytest.raises(ValueError, match=r"predicts every pixel, .*; use the generic network"):
        build_method("esanet-md", TASK)


def test_on_the_generic_network_esanet_md_is_sf_md() -> None:
    torch.manual_seed(0)
    ours = build_method("esanet-md", TASK, network=Network())
    torch.manual_seed(0)
    theirs = build_method("sf-md", TASK)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
