"""Tables of the page of all methods."""

from __future__ import annotations

from winner_page import _ahead_of_all

from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import summarise


def of(*values):
    return Estimate.of(dict(enumerate(values)))


def test_bold_is_ahead_of_every_other_by_more_than_chance(make_run):
    (summary,) = summarise(read_runs([make_run(modalities=("a", "b"))], "test"), "test", "sf-md")
    best = of(0.90, 0.91, 0.92, 0.93)
    close, sure = of(0.88, 0.89, 0.901, 0.911), of(0.50, 0.51, 0.521, 0.53)
    assert _ahead_of_all(summary, [close, best, sure]) is best
    # Two seeds cannot tell a score below the next one from the best.
    assert _ahead_of_all(summary, [close, best, of(0.80, 0.90), sure]) is None
    assert _ahead_of_all(summary, [best]) is None
    assert _ahead_of_all(summary, []) is None
