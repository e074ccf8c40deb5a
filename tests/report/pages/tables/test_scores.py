"""Tables: their numbers, as Markdown and in a terminal."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.tables.scores import (
    combination_table,
    cost_table,
    hardness_table,
    main_cost_table,
    main_table,
    presence_table,
)
from dmrnet.report.pages.tables.table import Cell, Table
from dmrnet.report.pages.terminal import terminal_table
from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.summary import summarise


@pytest.fixture
def summary(four_systems):
    (found,) = summarise(read_runs(four_systems, "test"), "test", "sf-md")
    return found


def shown(*summaries, width=100):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(terminal_table(summaries))
    return stream.getvalue()


def test_main_table(summary):
    table = main_table(summary)
    assert table.header == (
        "System", "Seeds", "Average", "Worst", "All modalities", "One modality",
    )  # fmt: skip
    base, *_, dmrnet = table.rows
    item = summary.systems[3]
    assert item.label == dmrnet[0].text == "dmrnet"
    average = item.headlines["average"]
    assert dmrnet[2].text == f"{100 * average.mean:.2f} ± {100 * average.se:.2f}"
    assert dmrnet[2].below.startswith("+")
    assert dmrnet[2].best
    assert dmrnet[2].hint.startswith("seed 0: ")
    assert not base[2].best
    assert base[2].below == ""


def test_equal_numbers_are_not_best(make_run):
    runs = [make_run("sf-md", modalities=("a", "b")), make_run("dmr", modalities=("a", "b"))]
    text = (runs[0] / "results.jsonl").read_text()
    (runs[1] / "results.jsonl").write_text(text.replace('"sf-md"', '"dmr"'))
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    assert not any(row[2].best for row in main_table(found).rows)


def test_lower_is_best_for_such_scores(make_run):
    gains = {"sf-md": 0.0, "dmr": 0.6}
    runs = [make_run(m, s, metric="acer", gain=g) for m, g in gains.items() for s in range(3)]
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    base, ours = main_table(found).rows
    assert ours[2].best
    assert not base[2].best
    assert ours[2].below.startswith("\N{MINUS SIGN}")


def test_a_lead_that_chance_explains_is_not_best(make_run):
    runs = [make_run(method, seed) for method in ("sf-md", "dmr") for seed in range(3)]
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    low, high = interval(found.systems[1].differences["full"])
    assert low <= 0 <= high
    assert not any(row[4].best for row in main_table(found).rows)


def test_pairs_are_counted_if_seeds_differ(make_run):
    runs = [make_run("sf-md", s) for s in (0, 1, 2)] + [make_run("dmr", s) for s in (1, 2, 7)]
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    base, ours = main_table(found).rows
    assert (base[1].below, ours[1].below) == ("", "2 paired")


def test_combinations_in_the_paper_form(summary):
    table = combination_table(summary, ["mor", "fou+mor"])
    assert table.header == (*summary.modalities, "sf-md", "head-only", "dmr", "dmrnet")
    assert "".join(cell.text for cell in table.rows[0][:6]) == "○○○○○●"
    assert "".join(cell.text for cell in table.rows[1][:6]) == "●○○○○●"
    assert re.fullmatch(r"\d\d\.\d ± \d\.\d", table.rows[0][6].text)


def test_counts_are_shown_if_they_differ(tmp_path, good_row, lines):
    rows = [good_row(combination="a", n=90), good_row(combination="a+b", n=80)]
    (found,) = summarise(read_runs([lines(tmp_path / "r.jsonl", rows)], "test"), "test", "x")
    table = combination_table(found, found.combinations)
    assert table.header == ("a", "b", "n", "dmrnet")
    assert [row[2].text for row in table.rows] == ["90", "80"]


def test_a_missing_value_is_a_dash(make_run):
    runs = [make_run("sf-md"), make_run("dmr", undefined=("mor",))]
    (found,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    table = combination_table(found, ["mor"])
    assert table.rows[0][-1] == Cell("-")


def test_cost(summary):
    table = cost_table(summary)
    assert table.header == (
        "System", "Parameters", "Epochs", "Samples trained on", "Training time per seed",
    )  # fmt: skip
    assert [cell.text for cell in table.rows[0][:4]] == ["sf-md", "204.8 k", "40", "48.0 k"]


def test_unknown_cost_is_left_out(tmp_path, good_row, lines):
    (found,) = summarise(
        read_runs([lines(tmp_path / "r.jsonl", [good_row()])], "test"), "test", "sf-md"
    )
    assert cost_table(found).rows == ()
    assert hardness_table(found).rows == ()


def test_hardness(summary):
    by_variance, by_loss = hardness_table(summary).rows
    assert [row[0].text for row in (by_variance, by_loss)] == ["dmr", "dmrnet"]
    assert by_variance[3].text == "0 of 6"
    # 6 of 63 against 6 of 63: 36 / 63 in common by chance; 0 or more is certain.
    assert by_variance[3].below == "chance 0.6; p 1.00"
    assert by_loss[3].below == "chance 0.6; p <0.001"
    assert by_variance[4].text == "0%"
    assert by_loss[4].text == "83%"
    assert by_variance[5].text.startswith("\N{MINUS SIGN}")
    assert by_loss[6].text.startswith("+")


def test_a_system_without_mining_has_no_row_of_hardness(make_run):
    run = make_run()
    path = run / "variance.jsonl"
    text = re.sub(r'"mean_variance": [\d.]+', '"mean_variance": null', path.read_text())
    path.write_text(text.replace('"hard": true', '"hard": false'))
    (found,) = summarise(read_runs([run], "test"), "test", "sf-md")
    assert hardness_table(found).rows == ()


def test_markdown_is_one_row_a_line_and_escapes():
    table = Table(("a|b", "n"), ((Cell("<i>*x*"), Cell("1", "+2", best=True)),))
    assert markdown_table(table) == (
        "| a\\|b | n |\n| --- | ---: |\n| \\<i\\>\\*x\\* | **1** (+2) |\n"
    )


def test_terminal(summary):
    text = shown(summary)
    assert "mfeat, accuracy in percent on test" in text
    assert "difference to sf-md, paired by seed" in " ".join(text.split())
    assert "3 seeds are few" in " ".join(text.split())
    for item in summary.systems:
        assert item.label in text
        assert f"{100 * item.headlines['average'].mean:.2f}" in text
    # Sentences fit a plain terminal however wide the pipe is; so does this table, nearly.
    lines = [line.rstrip() for line in shown(summary, width=300).splitlines()]
    assert max(map(len, lines)) <= 85
    assert all(len(line) <= 80 for line in lines[lines.index("") :])
    assert "…" not in text


def test_terminal_shows_names_as_they_are(make_run):
    (found,) = summarise(
        read_runs([make_run("[bold]x[/nothing]", name="r")], "test"), "test", "sf-md"
    )
    assert "[bold]x[/nothing]" in shown(found)


def test_presence_is_counted_by_combination_and_class(make_run):
    run = make_run("sf-md", modalities=("a", "b"))
    facts = json.loads((run / "run.json").read_text())
    counts = {"a+b": [5, 6], "b": [0, 2]}
    (run / "run.json").write_text(json.dumps({**facts, "presence": counts, "classes": ["x", "y"]}))
    (summary,) = summarise(read_runs([run], "test"), "test", "sf-md")
    table = presence_table(summary)
    assert table.header == ("a", "b", "Samples", "x", "y")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["●", "●", "11", "5", "6"],
        ["○", "●", "2", "0", "2"],
    ]
    assert not presence_table(replace(summary, presence=summary.presence[:1])).rows


def test_cost_stands_beside_scores(make_run):
    runs = [make_run("sf-md", seed, modalities=("a", "b"), seconds=75.0) for seed in (0, 1)]
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    table = main_cost_table(summary)
    assert table.header[-2:] == ("Training", "Parameters")
    (row,) = table.rows
    assert [cell.text for cell in row[-2:]] == ["1 min 15 s", "204.8 k"]
    assert [cell.text for cell in row[:-2]] == [cell.text for cell in main_table(summary).rows[0]]
    assert row[-1].below == ""
    for run in runs:
        rows = (run / "results.jsonl").read_text().splitlines()
        size = next(json.loads(row) for row in rows if '"parameters"' in row)
        flops = {**size, "metric": "inference_flops", "value": 14.8e6}
        (run / "results.jsonl").write_text("\n".join([*rows, json.dumps(flops)]) + "\n")
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    assert main_cost_table(summary).rows[0][-1].below == "14.8 M op."
