"""MMANet's ranking of combinations, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.modalities import all_combinations, name_of
from dmrnet.objectives.systems.weak_combinations import WeakCombinations, frequency_divergence


def test_ranking_is_of_predicted_classes_in_its_epochs() -> None:
    weak = WeakCombinations(3, 4, first_epoch=1, last_epoch=2)
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 0]]).bool()
    # By epoch: the class that is predicted under each mask, four times each.
    epochs = [[0, 0, 0, 3, 1], [0, 0, 1, 0, 2], [0, 0, 1, 0, 2], [0, 2, 2, 2, 2]]
    rankings = []
    for classes in epochs:
        logits = torch.nn.functional.one_hot(torch.tensor(classes), 4).float()
        weak.seen.update(mask.repeat(4, 1), logits.repeat(4, 1))
        weak.end_epoch()
        rankings.append((bool(weak.ranked), weak.strong.tolist()))
    assert rankings[0] == (False, [False] * 3)
    assert rankings[1:] == [(True, [False, True, False])] * 3
    got = {name_of(m, "abc") for m in all_combinations(3) if weak.is_weak(m[None])}
    assert got == {"a", "c", "a+c"}


def test_frequencies_are_compared_with_one_added() -> None:
    counts = torch.tensor([[3, 0, 1], [0, 0, 9], [4, 1, 0]]).double()
    got = frequency_divergence(counts)
    full = [x + 1 for x in counts[-1].tolist()]
    for v in range(2):
        row = [x + 1 for x in counts[v].tolist()]
        expected = sum(
            f / sum(full) * math.log((f / sum(full)) / (x / sum(row)))
            for f, x in zip(full, row, strict=True)
        )
        assert got[v].item() == pytest.approx(expected)


def slow_softmax(counts: list[float]) -> list[float]:
    whole = sum(counts)
    e = [math.exp(c / whole) for c in counts]
    return [x / sum(e) for x in e]


def test_ranking_as_released_is_its_code() -> None:
    """Softmax of frequencies on validation, the divergence turned round, added over epochs."""
    weak = WeakCombinations(3, 4, 1, 2, on="val", by="softmax")
    assert weak.compared().tolist() == [
        [False, True, True],
        [True, False, True],
        [True, True, False],
        [True] * 3,
    ]
    draw = torch.Generator().manual_seed(3)
    predicted = torch.randint(0, 40, (4, 4, 4), generator=draw)
    distance = [0.0] * 3
    for epoch, counts in enumerate(predicted):
        assert weak.ranks(epoch) == (epoch in (1, 2))
        if weak.ranks(epoch):
            weak.on_validation_predictions(counts)
        weak.end_epoch()
        if epoch in (1, 2):
            everything = slow_softmax(counts[-1].tolist())
            for v in range(3):
                row = slow_softmax(counts[v].tolist())
                distance[v] += sum(
                    p * math.log(p / q) for p, q in zip(row, everything, strict=True)
                )
        assert weak.distances.tolist() == pytest.approx(distance)
    assert weak.strong.tolist() == [d == max(distance) for d in distance]
    letter = WeakCombinations(3, 4, 1, 2, on="val")
    for counts in predicted[:2]:
        letter.on_validation_predictions(counts)
        letter.end_epoch()
    assert letter.distances.tolist() == pytest.approx(
        frequency_divergence(predicted[1].double()).tolist()
    )


def test_two_modalities_are_both_weak_and_one_is_not() -> None:
    for v, names in ((2, {"a", "b"}), (1, set())):
        weak = WeakCombinations(v, 3, 2, 4)
        masks = all_combinations(v)
        assert {name_of(m, "ab"[:v]) for m in masks if weak.is_weak(m[None])} == names
