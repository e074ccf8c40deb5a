"""Many sensors, so that few samples have all of a combination: no worst by one sample."""

from __future__ import annotations

import io

from rich.console import Console

from dmrnet.api.scores import Scores
from dmrnet.cli.tables.scores import show_scores
from dmrnet.report.records.rows import Row
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.summary.notes import facts_on
from dmrnet.report.summary.summary import summarise

NUMBERS = {"a": (0.7, 40), "b": (0.6, 30), "c": (0.8, 20), "a+b": (0.0, 1), "a+b+c": (1.0, 19)}


def rows(numbers: dict[str, tuple[float, int]]) -> list[dict[str, object]]:
    return [
        {"split": "test", "combination": name, "metric": "accuracy", "value": value, "n": n}
        for name, (value, n) in numbers.items()
    ]


def shown(numbers: dict[str, tuple[float, int]]) -> str:
    out = io.StringIO()
    facts = {"modalities": ["a", "b", "c"]}
    show_scores(Console(file=out, width=120), rows(numbers), "test", facts)
    return " ".join(out.getvalue().split())


def test_the_terminal_leaves_them_out_and_says_so() -> None:
    text = shown(NUMBERS)
    assert "average of 3 combinations 70.0 %" in text
    assert "worst: b (30 samples) 60.0 %" in text
    assert (
        "left out of average and worst: 2 combinations scored on fewer than 20 samples (a+b: n 1)"
    ) in text
    assert "all modalities 100.0 %" in text


def test_where_every_combination_has_few_all_are_kept_and_it_is_said() -> None:
    text = shown({name: (value, 10) for name, (value, _) in NUMBERS.items()})
    assert "average of 5 combinations" in text
    assert "worst: a+b 0.0 %" in text
    assert (
        "every combination was scored on fewer than 20 samples: one sample of 10 is 10.0 % of a"
    ) in text
    assert "fewer than" not in shown({name: (value, 20) for name, (value, _) in NUMBERS.items()})


def test_scores_in_python_leave_them_out() -> None:
    scores = Scores.from_rows(rows(NUMBERS), "abc", "test", "accuracy")
    assert scores.worst == ("b", 0.6)
    assert round(scores.average, 6) == 0.7
    assert scores.left_out == ("a+b", "a+b+c")
    assert "worst 60.0 (b); without 2 combinations of few samples" in repr(scores)
    assert scores["a+b"] == 0.0


def test_the_report_leaves_them_out(tmp_path) -> None:
    made = tuple(
        Row("r", "sf-md", "best", {}, "x", "test", seed, name, "accuracy", value, n)
        for seed in range(2)
        for name, (value, n) in NUMBERS.items()
    )
    (summary,) = summarise([RunRecord(tmp_path, made)], "test", "sf-md")
    assert summary.compared == ("a", "b", "c")
    assert summary.few == ("a+b", "a+b+c")
    (system,) = summary.systems
    assert system.worst == "b"
    assert round(system.headlines["average"].mean, 6) == 0.7
    assert (
        "Average and worst leave out 2 combinations scored on fewer than 20 samples: one sample is "
        "100.0 points of a+b, which has 1."
    ) in " ".join(facts_on(summary))
