"""Figures of what modalities are worth: which systems they show, and what they say of them."""

from __future__ import annotations

from dmrnet.report.figures.worth import worth_figures
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise
from dmrnet.report.summary.worth import worth_of


def test_systems_with_every_combination_are_drawn(make_run, no_png):
    names = ("a", "b", "c")
    runs = [make_run("sf-md", s, modalities=names, metric="acer") for s in (0, 1)]
    runs.append(make_run("dmr", modalities=names, metric="acer", without=("a+b",)))
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    worth, failures = worth_figures(summary, worth_of(summary), "made")
    assert (worth.name, failures.name) == ("made-worth", "made-failures")
    for figure in (worth, failures):
        assert 'data-s="sf-md"' in figure.svg
        assert 'data-s="dmr"' not in figure.svg
    assert "counted down from 50%" in worth.caption
    assert worth_figures(summary, [], "made") == []
