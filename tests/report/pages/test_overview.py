"""The part of a report that is over all data sets."""

from __future__ import annotations

import pytest
from winner_regimes import gain_by_data_table

from dmrnet.report import build_report
from dmrnet.report.pages.overview import gain_table, make_overview
from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.formatting import ends, points
from dmrnet.report.summary.over_data.gains import gains_over_data
from dmrnet.report.summary.summary import summarise

pytestmark = pytest.mark.usefixtures("no_png")

GAINS = {"u": 0.03, "v": 0.02}


@pytest.fixture
def rows(tmp_path, good_row, lines):
    """The method dmr gains 3 and 2 points, and a little noise, on two data sets."""
    made = []
    for data, gain in GAINS.items():
        for seed in range(3):
            for method in ("sf-md", "dmr"):
                facts = {"method": method, "dataset": data, "seed": seed, "run": f"{data}{method}"}
                for name, base in (("a", 0.6), ("b", 0.7), ("a+b", 0.8)):
                    value = base + (gain + 0.001 * seed if method == "dmr" else 0.0)
                    made.append(good_row(**facts, combination=name, value=value))
                cost = {"combination": "", "metric": "train_cpu_seconds", "value": 5.0}
                made.append(good_row(**facts, **cost))
    return lines(tmp_path / "rows.jsonl", made)


def test_tables_hold_the_gains(rows):
    summaries = summarise(read_runs([rows], "test"), "test", "sf-md")
    gains = {key: gains_over_data(summaries, key) for key in ("average", "worst")}
    table = gain_table(gains)
    assert table.header == (
        *("System", "Average", "p, average", "sets, average"),
        *("Worst", "p, worst", "sets, worst"),
    )
    (row,) = table.rows
    pooled = gains["average"][0].pooled
    assert (row[1].text, row[1].below) == (points(pooled.mean), ends((pooled.low, pooled.high)))
    assert row[3].text == "2 of 2"
    assert row[3].below == "+2"
    (by_data,) = gain_by_data_table(gains["average"]).rows
    assert [cell.text for cell in by_data] == ["dmr", "+3.10", "+2.10"]
    assert "to sf-md at 1.00 times the cost" in by_data[1].hint
    assert all(cell.best for cell in by_data[1:])


def test_it_stands_on_the_page_with_its_figures(rows, tmp_path):
    report = build_report([rows], tmp_path / "out")
    text = report.markdown.read_text()
    assert text.index("## Over all data sets") < text.index("## u")
    assert "Friedman's test" in text
    page = report.page.read_text()
    for name in ("over-data-gains", "over-data-ranks"):
        assert (tmp_path / "out" / "figures" / f"{name}.svg").is_file()
        assert f"(figures/{name}.svg)" in text
    assert 'id="gains-table"' in page
    assert "random-effects model" in page


def test_without_a_baseline_there_are_only_ranks(rows):
    overview = make_overview(summarise(read_runs([rows], "test"), "test", "nothing"))
    assert not overview.gains.rows
    assert [figure.name for figure in overview.figures] == ["over-data-ranks"]


def test_one_data_set_has_none(rows, tmp_path):
    one = tmp_path / "one.jsonl"
    one.write_text("".join(f"{line}\n" for line in rows.read_text().splitlines() if '"u"' in line))
    assert make_overview(summarise(read_runs([one], "test"), "test", "sf-md")) is None
