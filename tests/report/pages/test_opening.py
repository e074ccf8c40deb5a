"""What a report opens with, against numbers averaged by hand from the rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dmrnet.report.pages.prose import opening
from dmrnet.report.pages.terminal import terminal_table
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

NAMES = ("ir", "depth", "rgb")


def summary_of(runs, baseline="sf-md"):
    (found,) = summarise(read_runs(runs, "test"), "test", baseline)
    return found


@pytest.fixture
def runs(make_run):
    return [
        make_run(method, seed, modalities=NAMES, gain=gain, mined=None)
        for method, gain in (("full", -0.4), ("sf-md", 0.0))
        for seed in range(2)
    ]


def scores(runs, size):
    lines = [(run / "results.jsonl").read_text().splitlines() for run in runs]
    rows = [json.loads(line) for of in lines for line in of]
    of = [r for r in rows if r["split"] == "test" and r["combination"].count("+") == size - 1]
    return 100 * np.mean([r["value"] for r in of])


def test_it_compares_what_saw_no_missing_modality_with_the_baseline(runs):
    text = opening(summary_of(runs))
    complete, robust = runs[:2], runs[2:]
    assert f"with all 3 modalities {scores(complete, 3):.2f}% and {scores(robust, 3):.2f}%" in text
    assert f"when one fails {scores(complete, 2):.2f}% and {scores(robust, 2):.2f}%" in text
    assert "in the worst combination" in text


def test_it_compares_with_the_default_method_where_that_was_run(runs, make_run):
    default = [
        make_run("experts", seed, modalities=NAMES, gain=0.3, mined=None) for seed in range(2)
    ]
    text = opening(summary_of([*runs, *default]))
    assert "and experts, which saw modalities missing in training" in text
    assert f"{scores(runs[:2], 3):.2f}% and {scores(default, 3):.2f}%" in text


def test_it_needs_both(runs):
    assert opening(summary_of(runs[2:])) == ""
    assert opening(summary_of(runs[:2])) == ""
    assert opening(summary_of(runs, baseline="full")) == ""


@pytest.mark.usefixtures("no_pictures")
def test_page_and_terminal_open_with_it(runs, tmp_path):
    from rich.console import Console

    from dmrnet.report import build_report

    report = build_report(runs, tmp_path / "report")
    text = opening(report.summaries[0])
    page = report.page.read_text("utf-8")
    start = page.index(text)
    assert start < page.index("<figure") < page.index("Highest average")
    assert page.count("by number of modalities.</b>") == 1
    assert text in report.markdown.read_text("utf-8")
    console = Console(record=True, width=80)
    console.print(terminal_table(report.summaries))
    assert console.export_text().startswith(text[:60])
