"""Agreement of hard sets and chance, against counting all sets."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
import torch

from dmrnet.evaluation import hard_set_agreement
from dmrnet.evaluation.hard_sets import rank_correlation, top


@pytest.mark.parametrize(("total", "size"), [(7, 3), (5, 1), (4, 4)])
def test_chance_equals_the_mean_over_all_sets_of_that_size(total: int, size: int) -> None:
    scores = torch.linspace(0, 1, total, dtype=torch.float64)
    truth = set(range(size))
    shares = [len(truth & set(chosen)) / size for chosen in combinations(range(total), size)]
    for chosen in combinations(range(total), size):
        hard = torch.zeros(total, dtype=torch.bool)
        hard[list(chosen)] = True
        found = hard_set_agreement(hard, scores)
        assert found is not None
        assert found.size == size
        assert found.share == pytest.approx(len(truth & set(chosen)) / size)
        assert found.chance == pytest.approx(fmean(shares))
        more = sum(share >= found.share - 1e-9 for share in shares) / len(shares)
        assert found.chance_of_more == pytest.approx(more)


def test_a_combination_without_a_score_is_ignored() -> None:
    hard = torch.tensor([True, True, False, False])
    found = hard_set_agreement(hard, torch.tensor([torch.nan, 0.1, 0.2, 0.3]))
    assert found is not None
    assert (found.share, found.chance, found.size) == (1.0, pytest.approx(1 / 3), 1)
    assert hard_set_agreement(~hard & hard, torch.rand(4)) is None


def test_the_top_has_the_highest_and_never_a_nan() -> None:
    values = torch.tensor([0.5, torch.nan, 0.9, 0.1])
    assert top(values, 2).tolist() == [True, False, True, False]
    assert top(values, 4).tolist() == [True, False, True, True]


def test_rank_correlation_shares_the_ranks_of_equal_values() -> None:
    first = torch.tensor([3.0, 1, 2, 2, torch.nan], dtype=torch.float64)
    second = torch.tensor([1.0, 5, 4, 2, 9], dtype=torch.float64)
    ranks = np.corrcoef([4, 1, 2.5, 2.5], [1, 4, 3, 2])[0, 1]
    assert rank_correlation(first, second) == pytest.approx(ranks)
    assert np.isnan(rank_correlation(torch.ones(3), torch.rand(3)))
