"""Candidate epochs, their scores, and the number of samples scored at once."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dmrnet.data.dataset import ArrayDataset
from dmrnet.engine.scores.scoring import combinations_of, samples_at_once
from dmrnet.engine.training.selection import (
    better,
    select_on,
    selection_epochs,
)
from dmrnet.evaluation import ACER, Accuracy, AttackErrors, threshold_of
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task, all_combinations, index_of


@given(st.integers(1, 200), st.integers(1, 50))
def test_candidates_are_even_and_the_last_epoch_is_one(epochs: int, times: int) -> None:
    chosen = sorted(selection_epochs(epochs, times))
    assert len(chosen) == min(epochs, times)
    assert chosen[-1] == epochs - 1
    gaps = [b - a for a, b in zip([-1, *chosen], chosen, strict=False)]
    assert max(gaps) - min(gaps) <= 1


def a_dataset(rows: int, modalities: int, classes: int = 3) -> ArrayDataset:
    task = Task(
        tuple(Modality(f"m{k}", "vector", (2,)) for k in range(modalities)),
        ("a", "b", "c")[:classes],
    )
    present = torch.rand(rows, modalities) < 0.7
    present[~present.any(1), 0] = True
    arrays = {name: torch.randn(rows, 2) for name in task.modalities}
    return ArrayDataset(task, arrays, present, torch.randint(classes, (rows,)))


def test_the_score_is_the_mean_over_combinations() -> None:
    data = a_dataset(20, 3)
    method = build_method("sf-md", data.task).eval()
    shares = []
    for combination in all_combinations(3):
        able = (data.present | ~combination).all(1).nonzero().flatten()
        if len(able):
            batch = data.take(able)
            with torch.no_grad():
                logits = method(batch.inputs, combination.expand(len(able), -1))
            shares.append(float((logits.argmax(1) == batch.target).double().mean()))
    expected = sum(shares) / len(shares)
    assert select_on(method, data, 20 * 7).score == pytest.approx(expected)
    # One pair too few: a random draw that is the same each time.
    drawn = select_on(method, data, 20 * 7 - 1).score
    assert drawn == select_on(method, data, 20 * 7 - 1).score


def test_complete_is_the_score_of_samples_with_all_they_have() -> None:
    data = a_dataset(20, 3)
    method = build_method("sf-md", data.task).eval()
    assert not data.present.all()
    batch = data.take(torch.arange(20))
    with torch.no_grad():
        right = method(batch.inputs, data.present).argmax(1) == batch.target
    found = select_on(method, data, 100, complete=True).score
    assert found == pytest.approx(float(right.double().mean()))
    assert found != select_on(method, data, 20 * 7).score
    few = select_on(method, data, 5, complete=True).score
    assert few == pytest.approx(float(right[2::4].double().mean()))


def test_complete_of_faces_is_the_mean_over_what_they_have() -> None:
    data = a_dataset(90, 2, classes=2)
    method = build_method("sf-md", data.task).eval()
    rates = []
    for pattern in all_combinations(2):
        batch = data.take((data.present == pattern).all(1).nonzero().flatten())
        with torch.no_grad():
            logits = method(batch.inputs, batch.present)
        metric = ACER()
        metric.update(logits.softmax(1)[:, 1].double(), batch.target)
        rates.append(metric.compute())
    found = select_on(method, data, 90, measure=AttackErrors(), complete=True).score
    assert found == pytest.approx(float(torch.stack(rates).mean()))


@pytest.mark.parametrize("threshold", ["half", "eer"])
def test_faces_are_selected_by_their_own_metric(threshold: str) -> None:
    data = a_dataset(90, 3, classes=2)
    method = build_method("sf-md", data.task).eval()
    measure = AttackErrors(threshold=threshold)
    rates = []
    for combination in all_combinations(3):
        batch = data.take((data.present | ~combination).all(1).nonzero().flatten())
        with torch.no_grad():
            logits = method(batch.inputs, combination.expand(len(batch), -1))
        score = logits.softmax(1)[:, 1]
        metric = ACER(threshold=threshold_of(score, batch.target == 1, threshold))
        metric.update(score.double(), batch.target)
        rates.append(metric.compute())
    found = select_on(method, data, 90 * 7, measure=measure).score
    assert found == pytest.approx(float(torch.stack(rates).mean()))
    # One pair too few to score everything: the draw has a similar score.
    pairs = select_on(method, data, 90 * 7 - 1, measure=measure).score
    assert pairs == pytest.approx(found, abs=0.03)


def test_better_is_lower_where_errors_are_measured() -> None:
    assert better(AttackErrors(), 0.1, 0.2)
    assert not better(AttackErrors(), 0.2, 0.1)
    assert better(Accuracy(), 0.2, 0.1)
    for measure in (Accuracy(), AttackErrors()):
        assert not better(measure, 0.1, 0.1), "of equal ones the first is kept"
        assert better(measure, 0.1, None)
        assert better(measure, 0.1, math.nan)
        assert not better(measure, math.nan, 0.1)


def test_where_combinations_are_too_many_pairs_are_drawn() -> None:
    data = a_dataset(15, 21)
    method = build_method("sf-md", data.task).eval()
    pairs: list[int] = []
    logits = method.logits

    def counted(feats: dict[str, Tensor], mask: Tensor) -> Tensor:
        pairs.append(len(mask))
        return logits(feats, mask)

    method.logits = counted
    assert 0 <= select_on(method, data, 100).score <= 1
    assert 0 < sum(pairs) <= 100


def test_of_many_combinations_a_fixed_draw_is_evaluated() -> None:
    assert torch.equal(combinations_of(4), all_combinations(4))
    assert len(combinations_of(10)) == 1023
    drawn = combinations_of(12)
    assert torch.equal(drawn, combinations_of(12))
    assert len(index_of(drawn).unique()) == 1023


def test_large_samples_come_in_small_batches() -> None:
    small = Task((Modality("a", "vector", (9,)),), ("x", "y"))
    large = Task((Modality("a", "volume", (3, 64, 224, 224)),), ("x", "y"))
    assert samples_at_once(small) == 512
    assert samples_at_once(large) == 1
