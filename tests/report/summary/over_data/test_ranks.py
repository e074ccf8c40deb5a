"""Average ranks over data sets, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmrnet.report import build_report
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.over_data.ranks import rank_over_data
from dmrnet.report.summary.summary import summarise


@pytest.fixture
def rows_of(tmp_path, good_row, lines):
    def write(table, metric="accuracy"):
        """Rows of ``{data set: {method: value}}``."""
        return lines(
            tmp_path / f"{metric}.jsonl",
            [
                good_row(method=m, dataset=d, combination="a", value=v, run=m, metric=metric)
                for d, values in table.items()
                for m, v in values.items()
            ],
        )

    return write


def ranking_of(path, baseline="x"):
    return rank_over_data(summarise(read_runs([path], "test"), "test", baseline))


@pytest.mark.parametrize("seed", range(5))
def test_against_scipy(rows_of, seed):
    draw = np.random.default_rng(seed)
    methods = list("pqrst")
    # Few different values, so that there are ties.
    values = draw.integers(1, 5, (4, len(methods))) / 10
    table = {
        f"d{i}": dict(zip(methods, map(float, row), strict=True)) for i, row in enumerate(values)
    }
    found = ranking_of(rows_of(table))
    ranks = stats.rankdata(-values, axis=1)
    for label, places, mean in zip(found.labels, found.ranks, found.averages, strict=True):
        column = methods.index(label)
        assert places == tuple(ranks[:, column])
        assert mean == pytest.approx(ranks[:, column].mean())
    assert list(found.averages) == sorted(found.averages)


def test_a_low_error_rate_is_best(rows_of):
    found = ranking_of(rows_of({d: {"p": 0.1, "q": 0.2} for d in "uv"}, metric="acer"))
    assert found.labels == ("p", "q")


def test_what_was_not_run_everywhere_is_left_out(rows_of):
    table = {"u": {"p": 0.1, "q": 0.2, "r": 0.3}, "v": {"p": 0.1, "q": 0.2}}
    found = ranking_of(rows_of(table))
    assert found.labels == ("q", "p")
    assert found.left_out == ("r",)


@pytest.mark.parametrize(
    "table", [{"u": {"p": 0.1, "q": 0.2}}, {"u": {"p": 0.1}, "v": {"p": 0.1, "q": 0.2}}]
)
def test_nothing_to_rank(rows_of, table):
    assert ranking_of(rows_of(table)) is None


@pytest.mark.usefixtures("no_pictures")
def test_it_stands_on_the_page(rows_of, tmp_path):
    report = build_report([rows_of({d: {"p": 0.1, "q": 0.2} for d in "uv"})], tmp_path / "out")
    assert "Over all data sets" in report.page.read_text()
    assert "| q | **1.00** | 1 | 1 |" in report.markdown.read_text()
