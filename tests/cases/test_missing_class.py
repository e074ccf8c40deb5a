"""A test set without bona fide samples, or without attacks: the rate that is defined is shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dmrnet.cli.tables.scores import show_scores
from dmrnet.report.records.rows import Row
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.summary.notes import warnings_on
from dmrnet.report.summary.summary import summarise

VALUES = {"a": 0.2, "b": 0.5, "a+b": 0.1}


def numbers(defined: str) -> list[tuple[str, str, float | None, int]]:
    other = {"apcer": "bpcer", "bpcer": "apcer"}[defined]
    return [
        (name, metric, value if metric == defined else None, 0 if metric == other else 40)
        for name, value in VALUES.items()
        for metric in ("acer", "apcer", "bpcer")
    ]


@pytest.mark.parametrize(("defined", "missing"), [("apcer", "bona fide"), ("bpcer", "an attack")])
def test_the_missing_class_is_named_and_the_other_rate_shown(defined, missing, tmp_path) -> None:
    rows = [
        {"split": "test", "combination": name, "metric": metric, "value": value, "n": n}
        for name, metric, value, n in numbers(defined)
    ]
    out = io.StringIO()
    facts = {"modalities": ["a", "b"], "score": "acer"}
    show_scores(Console(file=out, width=120), rows, "test", facts)
    text = " ".join(out.getvalue().split())
    said = f"no ACER on test is defined, since no sample is {missing}; {defined.upper()} is"
    assert text.startswith(f"{said} {defined.upper()} on test (40 samples)")
    assert "worst: b 50.0 %" in text
    made = tuple(
        Row("r", "sf-md", "best", {}, "x", "test", 0, name, metric, value, n)
        for name, metric, value, n in numbers(defined)
    )
    (summary,) = summarise([RunRecord(tmp_path, made)], "test", "sf-md")
    assert warnings_on(summary)[0] == (
        f"ACER is not defined, since no sample is {missing}. {defined.upper()} is: 26.7% on "
        "average over combinations and runs, 50.0% at worst."
    )
