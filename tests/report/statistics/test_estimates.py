"""Means, standard errors, pairing and ranks, against scipy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dmrnet.report.statistics.estimates import Estimate, average, paired_difference, spearman

numbers = st.floats(-1, 1, allow_subnormal=False)
tables = st.dictionaries(st.integers(0, 9), numbers, min_size=1, max_size=8)


@given(tables)
def test_mean_and_standard_error(table):
    estimate = Estimate.of(table)
    values = list(table.values())
    assert estimate.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert estimate.seeds == tuple(sorted(table))
    if len(values) == 1:
        assert estimate.se is None
    else:
        assert estimate.se == pytest.approx(stats.sem(values), abs=1e-12)


@given(tables, tables)
def test_differences_pair_equal_seeds_alone(first, second):
    difference = paired_difference(Estimate.of(first), Estimate.of(second))
    shared = sorted(first.keys() & second.keys())
    if not shared:
        assert difference is None
        return
    assert difference.by_seed == {seed: first[seed] - second[seed] for seed in shared}
    if len(shared) > 1 and difference.se > 1e-9:
        # The paired t statistic is mean over standard error.
        t = stats.ttest_rel([first[s] for s in shared], [second[s] for s in shared]).statistic
        assert difference.mean / difference.se == pytest.approx(t, rel=1e-6, abs=1e-9)


@given(st.lists(tables, min_size=1, max_size=4))
def test_averages_are_within_a_seed(many):
    found = average([Estimate.of(table) for table in many])
    shared = set.intersection(*(set(table) for table in many))
    if not shared:
        assert found is None
        return
    assert set(found.seeds) == shared
    for seed in shared:
        assert found.by_seed[seed] == pytest.approx(np.mean([t[seed] for t in many]), abs=1e-12)


def test_no_estimate_of_nothing():
    assert average([]) is None
    with pytest.raises(ValueError, match="at least one seed"):
        Estimate.of({})


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_rank_correlation_with_ties(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = spearman(first, second)
    if len(pairs) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
