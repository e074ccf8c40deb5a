"""Training curves and the heat map: what they draw, from rows of a run."""

from __future__ import annotations

import re

import pytest

from dmrnet.report.figures.curves import curve_figures
from dmrnet.report.figures.scores import score_figures
from dmrnet.report.records.history import read_history
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

pytestmark = pytest.mark.usefixtures("no_png")


def summary_of(runs):
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    return found


def test_curves_are_drawn_of_what_runs_keep(make_run):
    runs = [make_run(m, modalities=("a", "b"), mined=None) for m in ("sf-md", "dmr")]
    assert curve_figures(summary_of(runs), "made") == []
    text = "epoch,metric,value\n0,loss,2.0\n1,loss,nan\n2,loss,1.0\n2,val_average,0.5\n"
    (runs[0] / "metrics.csv").write_text(text)
    assert read_history(runs[0]) == {"loss": {1: 2.0, 3: 1.0}, "val_average": {3: 0.5}}
    (figure,) = curve_figures(summary_of(runs), "made")
    assert figure.svg.count('data-s="sf-md"') >= 2
    assert 'data-s="dmr"' not in figure.svg


@pytest.mark.parametrize(("metric", "shown"), [("accuracy", "in %"), ("mae", "MAE")])
def test_numbers_are_not_shown_in_percent(make_run, metric, shown):
    names = tuple("abc")
    runs = [make_run(m, modalities=names, metric=metric, mined=None) for m in ("sf-md", "dmr")]
    text = "epoch,metric,value\n0,loss,2.0\n0,val_complete,7.25\n1,val_complete,7.5\n"
    (runs[0] / "metrics.csv").write_text(text)
    summary = summary_of(runs)
    (curves,) = curve_figures(summary, "made")
    heat = score_figures(summary, "made")[1]
    for figure in (curves, heat):
        assert (" in %" in figure.svg) == (metric == "accuracy")
        assert shown in figure.svg
    # Ticks are of the numbers themselves: 7.25 and not 725.
    assert ("725" in curves.svg or "730" in curves.svg) == (metric == "accuracy")


def test_a_damaged_line_is_named(make_run):
    run = make_run(modalities=("a", "b"))
    (run / "metrics.csv").write_text("epoch,metric,value\n0,loss,two\n")
    with pytest.raises(ValueError, match="line 2: expected epoch, metric and value"):
        read_history(run)


def test_many_combinations_of_several_systems_are_a_heat_map(four_systems):
    summary = summary_of(four_systems)
    figure = score_figures(summary, "made")[1]
    cells = re.findall(r'data-s="([^"]+)" data-c="([^"]+)"', figure.svg)
    systems = [item.label for item in summary.systems]
    # Scores of all systems, and differences of all but the baseline.
    assert [system for system, _ in cells] == [*systems[1:], *systems]
    for _, names in cells:
        assert set(names.split(",")) == set(summary.combinations)
    assert figure.svg.count("<use") >= 63 * len(cells)
