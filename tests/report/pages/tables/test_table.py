"""Which number is bold, and what stands beside one that is the same in all seeds."""

from __future__ import annotations

import pytest

from dmrnet.report.pages.tables.table import best_of, score_cell
from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import summarise


@pytest.fixture
def summary(make_run):
    return summarise(read_runs([make_run(modalities=("a", "b"))], "test"), "test", "sf-md")[0]


def of(*values):
    return Estimate.of(dict(enumerate(values)))


def test_bold_only_beyond_chance(summary):
    base = of(0.50, 0.52, 0.51)
    assert best_of(summary, [base, of(0.60, 0.63, 0.61)]) == of(0.60, 0.63, 0.61)
    assert best_of(summary, [base, of(0.50, 0.55, 0.51)]) is None
    assert best_of(summary, [base]) is None
    # The same lead in three seeds leaves the interval no width: no certainty.
    assert best_of(summary, [base, of(0.51, 0.53, 0.52)]) is None
    six = (0.50, 0.52, 0.51, 0.53, 0.54, 0.50)
    ahead = of(*(value + 0.01 for value in six))
    assert best_of(summary, [of(*six), ahead]) == ahead


def test_bold_is_ahead_of_every_other(summary):
    best = of(0.90, 0.91, 0.92, 0.93)
    close, sure = of(0.88, 0.89, 0.901, 0.911), of(0.50, 0.51, 0.521, 0.53)
    assert best_of(summary, [close, best, None, sure]) is best
    # Two seeds cannot tell a score below the next one from the best.
    assert best_of(summary, [close, best, of(0.80, 0.90), sure]) is None
    assert best_of(summary, []) is None


def test_a_score_that_leads_by_seeds_of_its_own_alone_is_not_bold(summary):
    shared = (0.80, 0.81, 0.82, 0.83, 0.84)
    ahead = of(0.83, 0.841, 0.849, 0.862, 0.868)
    assert best_of(summary, [of(*shared), ahead]) is ahead
    assert best_of(summary, [of(*shared, *(5 * [0.99])), ahead]) is None


def test_no_standard_error_where_all_seeds_are_the_same():
    assert score_cell(of(0.1, 0.1, 0.1), None).text == "10.00"
    assert score_cell(of(0.1, 0.2), None).text == "15.00 ± 5.00"
    assert score_cell(of(0.1, 0.1), None).hint == "seed 0: 10.00, seed 1: 10.00"
