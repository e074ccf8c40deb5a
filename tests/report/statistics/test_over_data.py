"""Statistics over data sets, against published tables, scipy and plain loops."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dmrnet.report.statistics.over_data import (
    critical_difference,
    friedman,
    groups_within,
    pool,
    sign_p,
)

DEMSAR_Q = {
    0.05: (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164),
    0.10: (1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920),
}
"""Table 5(a) of Demsar (2006): critical values of Nemenyi's test for 2 to 10 systems."""

DEMSAR_AUC = [
    *([0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967]),
    *([0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931]),
    *([0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875]),
    *([1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669]),
    *([0.972, 0.981, 0.975, 0.975], [0.957, 0.978, 0.946, 0.970]),
]
"""Table 6 of Demsar (2006): four classifiers on 14 data sets."""


@pytest.mark.parametrize("level", DEMSAR_Q)
def test_critical_values_of_a_printed_table(level):
    for systems, printed in enumerate(DEMSAR_Q[level], start=2):
        scale = math.sqrt(systems * (systems + 1) / (6 * 11))
        assert critical_difference(systems, 11, level) / scale == pytest.approx(printed, abs=1e-3)


@pytest.mark.parametrize(("systems", "datasets"), [(1, 5), (3, 0)])
def test_no_critical_difference_of_too_little(systems, datasets):
    with pytest.raises(ValueError, match="expected two systems and one data set"):
        critical_difference(systems, datasets)


def test_friedman_of_a_printed_example():
    # Table 6 breaks a tie at the third decimal by further ones: voting, 0.975 and 0.975.
    table = np.array(DEMSAR_AUC)
    table[12, 2] += 1e-4
    averages = stats.rankdata(-table, axis=1).mean(0)
    assert averages == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    f, p = friedman(averages.tolist(), 14)
    assert f == pytest.approx(3.69, abs=0.005)
    # "The critical value of F(3, 39) for alpha = 0.05 is 2.85."
    assert p < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_friedman_against_scipy_without_ties(seed):
    scores = np.random.default_rng(seed).normal(size=(7, 5)) + np.arange(5) / 3
    averages = stats.rankdata(scores, axis=1).mean(0)
    chi = stats.friedmanchisquare(*scores.T).statistic
    f = 6 * chi / (7 * 4 - chi)
    expected = f, stats.f.sf(f, 4, 24)
    assert friedman(averages.tolist(), 7) == pytest.approx(expected)


def test_friedman_where_there_is_nothing_or_no_doubt():
    assert friedman([1.0], 9) is None
    assert friedman([1.0, 2.0], 1) is None
    assert friedman([1.0, 2.0, 3.0], 6) == (math.inf, 0.0)


ranks = st.lists(st.integers(2, 20).map(lambda n: n / 2), min_size=1, max_size=7).map(sorted)


@given(ranks, st.integers(1, 12).map(lambda n: n / 2 + 0.25))
def test_groups_are_the_largest_sets_that_do_not_differ(averages, difference):
    """Every subset whose members all differ by less, and that no other such subset contains."""
    every = range(len(averages))
    alike = [
        set(some)
        for size in range(2, len(averages) + 1)
        for some in combinations(every, size)
        if all(abs(averages[i] - averages[j]) < difference for i in some for j in some)
    ]
    largest = [one for one in alike if not any(one < other for other in alike)]
    found = [set(range(first, last + 1)) for first, last in groups_within(averages, difference)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, largest))


@given(st.integers(0, 30), st.integers(0, 30))
def test_signs_against_scipy(wins, losses):
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses).pvalue
        assert sign_p(wins, losses) == pytest.approx(expected)
    else:
        assert sign_p(wins, losses) is None


BCG = [
    # Log risk ratio and its variance, 13 trials of a vaccine (Colditz et al., JAMA 271, 1994).
    *((-0.8893, 0.3256), (-1.5854, 0.1946), (-1.3481, 0.4154), (-1.4416, 0.0200)),
    *((-0.2175, 0.0512), (-0.7861, 0.0069), (-1.6209, 0.2230), (0.0120, 0.0040)),
    *((-0.4694, 0.0564), (-1.3713, 0.0730), (-0.3394, 0.0124), (0.4459, 0.5325)),
    (-0.0173, 0.0714),
]


def test_pooled_like_a_published_analysis():
    pooled = pool([mean for mean, _ in BCG], [variance**0.5 for _, variance in BCG])
    # Viechtbauer, "Conducting meta-analyses in R", 2010, and later: the estimate of
    # DerSimonian and Laird is -0.714, its variance between trials 0.309.
    assert pooled.mean == pytest.approx(-0.7141, abs=2e-4)
    assert pooled.spread**2 == pytest.approx(0.3088, abs=5e-4)


def slow_pool(means, errors):
    """From the equations: Q, tau squared, weights, then Knapp and Hartung's variance."""
    k, w = len(means), [1 / e**2 for e in errors]
    centre = sum(w[i] * means[i] for i in range(k)) / sum(w)
    q = sum(w[i] * (means[i] - centre) ** 2 for i in range(k))
    c = sum(w) - sum(one**2 for one in w) / sum(w)
    tau2 = (q - (k - 1)) / c if q > k - 1 else 0.0
    v = [1 / (errors[i] ** 2 + tau2) for i in range(k)]
    mean = sum(v[i] * means[i] for i in range(k)) / sum(v)
    hartung = sum(v[i] * (means[i] - mean) ** 2 for i in range(k)) / ((k - 1) * sum(v))
    error = math.sqrt(max(hartung, 1 / sum(v)))
    low, high = stats.t.interval(0.95, k - 1, loc=mean, scale=error)
    return mean, low, high, 2 * stats.t.sf(abs(mean) / error, k - 1), math.sqrt(tau2)


rows = st.lists(
    st.tuples(st.integers(-50, 50).map(float), st.integers(1, 40).map(lambda n: n / 4)),
    min_size=2,
    max_size=9,
)


@given(rows)
def test_pooled_against_the_equations(table):
    means, errors = zip(*table, strict=True)
    pooled = pool(means, errors)
    found = pooled.mean, pooled.low, pooled.high, pooled.p, pooled.spread
    assert found == pytest.approx(slow_pool(means, errors), rel=1e-7, abs=1e-7)


def test_no_pooling_of_one_or_without_error():
    assert pool([1.0], [0.5]) is None
    with pytest.raises(ValueError, match=r"above 0, got 0\.0"):
        pool([1.0, 2.0], [0.5, 0.0])
