"""Intervals, tests and their correction, against scipy's own tests and plain enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import (
    fewest_seeds,
    holm,
    interval,
    paired_p,
    smallest_sign_p,
    t_quantile,
)


@pytest.mark.parametrize(("seeds", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (31, 2.042)])
def test_quantile_of_a_printed_t_table(seeds, quantile):
    assert t_quantile(seeds) == pytest.approx(quantile, abs=5e-4)


def test_no_difference_on_average_has_p_1():
    assert paired_p(Estimate.of({0: -0.5, 1: 0.5, 2: 0.0})) == 1


values = st.lists(st.integers(-1000, 1000), min_size=2, max_size=10)


@given(values, st.sampled_from([0.8, 0.95]))
def test_interval_and_test_of_a_mean(numbers, level):
    scaled = np.array(numbers) / 1000
    estimate = Estimate.of(dict(enumerate(scaled)))
    low, high = interval(estimate, level)
    if len(set(numbers)) == 1:
        assert low == pytest.approx(high, abs=1e-12)
        assert paired_p(estimate) is None
        return
    slow = stats.t.interval(level, len(scaled) - 1, scaled.mean(), stats.sem(scaled))
    assert (low, high) == pytest.approx(slow, abs=1e-10)
    assert paired_p(estimate) == pytest.approx(stats.ttest_1samp(scaled, 0).pvalue, abs=1e-10)


def test_an_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1.0, 2.0, (4000, 3))
    ends = [interval(Estimate.of(dict(enumerate(map(float, row))))) for row in draws]
    assert np.mean([low <= 1.0 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.012)


def test_nothing_from_one_seed_or_none():
    for estimate in (Estimate.of({0: 0.1}), Estimate.as_printed(0.1, 0.02)):
        assert interval(estimate) is None
        assert paired_p(estimate) is None


def slow_holm(found):
    """Reject one after another at every threshold; a p is where its test is first rejected."""

    def rejected(threshold):
        names, done = sorted(found, key=found.get), set()
        for place, name in enumerate(names):
            if found[name] * (len(names) - place) > threshold:
                break
            done.add(name)
        return done

    steps = sorted({min(1.0, p * k) for p in found.values() for k in range(1, len(found) + 1)})
    return {name: next((s for s in steps if name in rejected(s)), 1.0) for name in found}


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=6))
def test_holm_against_stepwise_rejection(found):
    corrected = holm(found)
    assert list(corrected) == list(found)
    assert corrected == pytest.approx(slow_holm(found))


@pytest.mark.parametrize("seeds", range(1, 9))
def test_smallest_p_of_signs(seeds):
    # The share of all sign patterns that are as extreme as the most extreme one.
    sums = [abs(sum(signs)) for signs in product((-1, 1), repeat=seeds)]
    assert smallest_sign_p(seeds) == np.mean(np.array(sums) == seeds)
    if seeds > 1:
        exact = stats.binomtest(seeds, seeds).pvalue
        assert smallest_sign_p(seeds) == pytest.approx(exact)


def test_seeds_that_signs_need():
    assert [fewest_seeds(p) for p in (1.0, 0.5, 0.05, 0.01)] == [1, 2, 6, 8]
    with pytest.raises(ValueError, match="one seed or more"):
        smallest_sign_p(0)
