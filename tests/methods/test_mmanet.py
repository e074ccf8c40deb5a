"""MMANet's recipes, schedule and errors."""

from __future__ import annotations

import pytest
from tests.objectives.mmanet import (
    SMALL,
    TASK,
    batch_of,
    built,
)

from dmrnet.methods import build_method, method
from dmrnet.modalities import Task, all_combinations


def test_recipes_rank_by_what_they_say() -> None:
    chosen = {}
    for recipe in ("best", "paper", "released"):
        weak = built(recipe=recipe)[0].weak
        chosen[recipe] = (weak.on, weak.by, weak.first_epoch, weak.last_epoch)
    seg = method("mmanet").recipe("released-seg")
    assert (seg.margin_weight, seg.weak_weight, seg.start) == (4.0, 0.2, 11)
    assert chosen == {
        "best": ("train", "frequencies", 2, 4),
        "paper": ("val", "frequencies", 2, 4),
        "released": ("val", "softmax", 1, 3),
    }
    batch = batch_of(all_combinations(3))
    for recipe, counted in (("best", 4), ("paper", 0)):
        model, _ = built(recipe=recipe)
        model.training_loss(batch, 0)
        assert int(model.weak.seen.counts.sum()) == counted
        model.eval().training_loss(batch, 0)  # validation is not counted
        assert int(model.weak.seen.counts.sum()) == counted
        model.train()
        asked = [model.combinations_to_validate(epoch) is not None for epoch in range(6)]
        assert asked == [recipe == "paper" and epoch in (2, 3, 4) for epoch in range(6)]


def test_terms_wait_for_their_epoch_and_the_ranking_is_reported() -> None:
    model, _ = built()
    batch = batch_of(all_combinations(3).repeat(3, 1))
    for epoch in range(6):
        parts = model.training_loss(batch, epoch).parts
        assert ("margin_aware" in parts) == ("modality_aware" in parts) == (epoch >= 5)
        statistics = model.end_epoch()
        assert int(model.hard_set().sum()) == (3 if epoch >= 2 else 0)
        assert int(statistics.loss.counts.sum()) == 21
    assert parts["modality_aware"] > 0


def test_mistakes_raise() -> None:
    model = build_method("mmanet", TASK, network=SMALL)
    batch = batch_of(all_combinations(3))
    model.training_loss(batch, 4)
    model.end_epoch()
    with pytest.raises(ValueError, match="expected a teacher, got none"):
        model.training_loss(batch, 5)
    other = Task(TASK.inputs[:2], TASK.classes)
    with pytest.raises(ValueError, match="teacher of a, b, c and 3 classes, got one of a, b and 3"):
        model.set_teacher(build_method("full", other, network=SMALL))
    turned = Task(TASK.inputs[::-1], TASK.classes)
    with pytest.raises(ValueError, match=r"teacher of a, b, c .*, got one of c, b, a"):
        model.set_teacher(build_method("full", turned, network=SMALL))
    with pytest.raises(ValueError, match=r"margin_aware reads .* set encodes to present"):
        built(encodes="mask")
    for setting, value in (("rank_on", "test"), ("rank_by", "counts")):
        with pytest.raises(ValueError, match=f"expected {setting} as .*, got '{value}'"):
            built(**{setting: value})
