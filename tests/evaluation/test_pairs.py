"""Drawn pairs: even, without repetition, fixed by their seed, and unbiased."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dmrnet.evaluation import Pairs, draw_pairs, evaluate_pairs, score_pairs
from dmrnet.evaluation import pairs as module
from dmrnet.modalities import Batch, CachedFeatures, all_combinations, from_index


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_present(n: int, v: int, share: float, seed: int) -> Tensor:
    present = torch.rand(n, v, generator=seeded(seed)) < share
    present[~present.any(1), 0] = True
    return present


class Table:
    """A model that is right where a table ``(n, 2^V)`` says so; counts what it encodes."""

    modalities = tuple("abcdef")

    def __init__(self, right: Tensor) -> None:
        self.right = right
        self.encoded: list[int] = []

    def cached(self, inputs: dict[str, Tensor], where: object) -> CachedFeatures:
        self.encoded += inputs["row"].tolist()
        return CachedFeatures({"row": inputs["row"]})

    def logits(self, feats: dict[str, Tensor], mask: Tensor) -> Tensor:
        j = (mask * 2 ** torch.arange(mask.shape[1])).sum(1)
        right = self.right[feats["row"], j]
        # Every target is 1.
        return torch.stack([(~right).float(), right.float()], 1)


def batches_of(present: Tensor, size: int, order: Tensor | None = None) -> list[Batch]:
    order = torch.arange(len(present)) if order is None else order
    return [
        Batch({"row": rows}, present[rows], torch.ones_like(rows), rows, where={"row": None})
        for rows in order.split(size)
    ]


@given(
    st.integers(1, 30), st.integers(1, 6), st.integers(1, 400), st.floats(0.2, 1), st.integers(0, 9)
)
def test_pairs_are_even_distinct_and_present_in_the_samples(
    n: int, v: int, budget: int, share: float, seed: int
) -> None:
    present = some_present(n, v, share, seed)
    pairs = draw_pairs(present, budget, seeded(seed))
    total = 2**v - 1
    drawn = list(zip(pairs.sample.tolist(), pairs.combination.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn) <= budget
    for i, j in drawn:
        assert 1 <= j <= total
        assert all(bool(present[i, k]) for k in range(v) if j >> k & 1)
    per = Counter(j for _, j in drawn)
    quotas = {budget // total, budget // total + 1} if budget >= total else {0, 1}
    for j in range(1, total + 1):
        able = sum(all(bool(p[k]) for k in range(v) if j >> k & 1) for p in present)
        assert per[j] in {min(q, able) for q in quotas}
    if share == 1:
        assert len(drawn) == min(budget, n * total)


def test_complete_samples_are_used_equally_often() -> None:
    pairs = draw_pairs(torch.ones(40, 6, dtype=torch.bool), 1000, seeded(0))
    per = Counter(pairs.sample.tolist())
    assert len(pairs.sample) == 1000
    assert set(per.values()) == {25}


def test_the_seed_fixes_the_pairs() -> None:
    present = some_present(20, 4, 0.7, 0)
    one, two, other = (draw_pairs(present, 50, seeded(s)) for s in (3, 3, 4))
    assert torch.equal(one.sample, two.sample)
    assert torch.equal(one.combination, two.combination)
    assert not torch.equal(one.sample, other.sample)


def test_the_draw_equals_that_of_earlier_versions() -> None:
    # So that a newer version selects by the same pairs.
    pairs = draw_pairs(some_present(12, 3, 0.6, 5), 14, seeded(5))
    assert pairs.sample.tolist() == [9, 8, 7, 10, 10, 2, 10, 7, 10, 9, 8, 10, 3]
    assert pairs.combination.tolist() == [2, 2, 1, 1, 5, 5, 3, 3, 7, 6, 6, 4, 4]


def test_the_table_of_patterns_is_cut_without_changing_the_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    present = some_present(30, 5, 0.6, 1)
    whole = draw_pairs(present, 200, seeded(0))
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 50)
    cut = draw_pairs(present, 200, seeded(0))
    assert torch.equal(whole.sample, cut.sample)
    assert torch.equal(whole.combination, cut.combination)


@pytest.mark.parametrize("modalities", [16, 30, 62])
def test_many_modalities(modalities: int) -> None:
    present = some_present(50, modalities, 0.95, 0)
    pairs = draw_pairs(present, 300, seeded(0))
    assert 0 < len(pairs.sample) <= 300
    mask = from_index(pairs.combination, modalities)
    assert bool((present[pairs.sample] | ~mask).all())


@pytest.mark.parametrize(("share", "budget"), [(1.0, 60), (0.6, 60), (1.0, 11), (0.6, 11)])
def test_the_estimate_is_unbiased(share: float, budget: int) -> None:
    """Over many draws the mean over combinations equals that of scoring everything."""
    present = some_present(12, 4, share, 5)
    present[0] = True  # every combination has somebody
    # What is right depends on sample and combination, so that an uneven draw would show.
    j = torch.arange(16)
    size = from_index(j, 4).sum(1)
    right = (torch.arange(12)[:, None] * 7 + j * 5) % 11 < 2 + 2 * size + present.sum(1)[:, None]
    exact = []
    for mask, index in zip(all_combinations(4), range(1, 16), strict=True):
        able = (present | ~mask).all(1)
        exact.append(float(right[able, index].double().mean()))
    truth = sum(exact) / len(exact)
    estimates = []
    for seed in range(300):
        pairs = draw_pairs(present, budget, seeded(seed))
        met, hits, seen = evaluate_pairs(Table(right), batches_of(present, 12), pairs)
        assert len(met) == min(budget, 15)
        estimates.append(float((hits / seen).mean()))
    found = torch.tensor(estimates)
    assert float(found.std()) > 0
    error = float(found.std()) / 300**0.5
    assert abs(float(found.mean()) - truth) < 3.5 * error + 1e-9


def test_pairs_are_counted_as_by_a_loop() -> None:
    present = some_present(25, 4, 0.7, 2)
    right = torch.rand(25, 16, generator=seeded(0)) < 0.5
    pairs = draw_pairs(present, 90, seeded(1))
    expected: dict[int, list[bool]] = {}
    for i, j in zip(pairs.sample.tolist(), pairs.combination.tolist(), strict=True):
        expected.setdefault(j, []).append(bool(right[i, j]))
    shuffled = torch.randperm(25, generator=seeded(2))
    for size, rows, order in ((25, None, None), (7, 3, shuffled), (1, 1, None)):
        model = Table(right)
        batches = batches_of(present, size, order)
        met, hits, seen = evaluate_pairs(model, batches, pairs, rows)
        index = (met * 2 ** torch.arange(4)).sum(1).tolist()
        assert index == sorted(expected)
        assert hits.tolist() == [sum(expected[j]) for j in index]
        assert seen.tolist() == [len(expected[j]) for j in index]
        # Encoded once, and a batch without a pair not at all.
        assert len(model.encoded) == len(set(model.encoded))
        if size == 1:
            assert set(model.encoded) == set(pairs.sample.tolist())
        assert not hits.is_inference()
        scored = score_pairs(Table(right), batches, pairs, rows)
        assert scored.probabilities.sum(1).allclose(torch.ones(len(pairs.sample)))
        for j, n in zip(index, hits.tolist(), strict=True):
            here = scored.combination == j
            assert (scored.probabilities[here].argmax(1) == scored.target[here]).sum() == n


def test_samples_without_pairs_and_empty_batches_are_ignored() -> None:
    present = torch.ones(6, 2, dtype=torch.bool)
    pairs = Pairs(torch.tensor([3, 1]), torch.tensor([3, 2]), 2)
    right = torch.zeros(6, 4, dtype=torch.bool)
    right[3, 3] = True
    batches = batches_of(present, 2, torch.tensor([5, 3, 4, 0, 2, 1]))
    empty = torch.empty(0, dtype=torch.int64)
    batches.insert(1, Batch({"row": empty}, present[:0], empty, empty, where={"row": None}))
    model = Table(right)
    met, hits, seen = evaluate_pairs(model, batches, pairs)
    assert met.tolist() == [[False, True], [True, True]]
    assert (hits.tolist(), seen.tolist()) == ([0, 1], [1, 1])
    assert model.encoded == [5, 3, 2, 1]


def test_no_sample_is_refused() -> None:
    pairs = draw_pairs(torch.ones(3, 2, dtype=torch.bool), 4, seeded(0))
    with pytest.raises(ValueError, match="at least one sample"):
        evaluate_pairs(Table(torch.ones(3, 4, dtype=torch.bool)), [], pairs)
    other = batches_of(torch.ones(9, 2, dtype=torch.bool), 3)[1:]
    for score in (evaluate_pairs, score_pairs):
        with pytest.raises(ValueError, match="at least one sample"):
            score(Table(torch.ones(9, 4, dtype=torch.bool)), other, pairs)
