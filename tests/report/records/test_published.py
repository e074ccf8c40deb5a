"""Published rows: refused if wrong, shown as printed, never paired."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from dmrnet.cli import main
from dmrnet.report import build_report
from dmrnet.report.pages.tables.scores import combination_table, main_table
from dmrnet.report.pages.terminal import terminal_table
from dmrnet.report.records.published import parse_published
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.notes import facts_on
from dmrnet.report.summary.summary import summarise

SOURCE = "Somebody et al., a journal, Table 1"


def printed(**changes):
    return {
        "source": SOURCE,
        "method": "dmrnet",
        "dataset": "mfeat",
        "split": "test",
        "combination": "a",
        "metric": "accuracy",
        "value": 0.9,
    } | changes


@pytest.fixture
def publish(tmp_path, lines):
    def write(*rows):
        return lines(tmp_path / "published" / "rows.jsonl", rows)

    return write


def summary_of(*paths, baseline="sf-md"):
    (summary,) = summarise(read_runs(paths, "test"), "test", baseline)
    return summary


THREE = {"a": 0.7, "b": 0.6, "a+b": 0.9}


def three(**changes):
    return [printed(combination=name, value=value, **changes) for name, value in THREE.items()]


def test_what_may_be_left_out():
    row = parse_published(printed())
    assert (row.seed, row.se, row.n, row.recipe, row.settings) == (None, None, 0, "", {})
    full = parse_published(
        printed(seed=3, n=10, recipe="paper", settings={"alpha": 1}, run="theirs", se=None)
    )
    assert (full.seed, full.n, full.recipe) == (3, 10, "paper")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "expected 'source' to be printable text"),
        ({"value": 90.5}, "divide percentages by 100"),
        ({"split": "train"}, "expected 'split' to be 'val' or 'test'"),
        ({"combination": "a+a"}, "different modalities joined by '+'"),
        ({"metric": "accuracy_complete", "combination": ""}, "with a combination"),
        ({"seed": "1"}, "expected 'seed' to be an integer"),
        ({"se": -0.1}, "expected 'se' not below 0"),
        ({"se": 0.1, "seed": 1}, "only without 'seed'"),
        ({"settings": []}, "expected 'settings' to be an object"),
        ({"page": 7}, "with unknown 'page'"),
    ],
)
def test_a_wrong_value_is_named(changes, message):
    with pytest.raises(RowError, match=re.escape(message)) as caught:
        parse_published(printed(**changes), "rows.jsonl:7")
    assert str(caught.value).startswith("rows.jsonl:7: ")


def test_a_missing_key_is_named():
    record = printed()
    del record["metric"]
    with pytest.raises(RowError, match="without metric"):
        parse_published(record)


def test_stands_beside_runs_and_is_never_paired(make_run, publish):
    runs = [make_run(m, s, modalities=("a", "b")) for m in ("sf-md", "dmrnet") for s in range(3)]
    found = summary_of(*runs, publish(*three()))
    assert [item.label for item in found.systems] == ["sf-md", "dmrnet", "dmrnet [1]"]
    theirs = found.systems[2]
    assert theirs.differences == theirs.gains == {}
    assert theirs.headlines["average"].mean == pytest.approx(np.mean([*THREE.values()]))
    assert theirs.headlines["worst"].mean == 0.6
    assert theirs.headlines["single"].mean == pytest.approx(0.65)
    assert theirs.headlines["full"].mean == 0.9
    assert theirs.worst == "b"
    assert theirs.headlines["average"].se is None
    row = main_table(found).rows[2]
    assert row[1].text == "as printed"
    assert row[2].below == ""
    assert row[2].hint == "as printed"
    assert any(f"[1] {SOURCE}" in note for note in facts_on(found))
    # What was printed elsewhere changes nothing in what was run.
    alone = summary_of(*runs)
    assert alone.systems == found.systems[:2]
    assert alone.compared == found.compared


def test_is_no_baseline(make_run, publish):
    runs = [make_run("dmrnet", s, modalities=("a", "b")) for s in range(2)]
    found = summary_of(*runs, publish(*three(method="sf-md")))
    assert found.baseline is None
    assert found.systems[0].differences == {}


def test_the_average_as_printed_comes_first(publish):
    found = summary_of(publish(*three(), printed(combination="", value=0.74)))
    assert found.systems[0].headlines["average"].mean == 0.74
    assert "average over 3 combinations" not in str(found)


@pytest.mark.usefixtures("no_pictures")
def test_an_average_alone(make_run, publish, tmp_path):
    path = publish(
        printed(combination="", settings={"alpha": 1e-4}, value=0.8),
        printed(combination="", settings={"alpha": 1e-3}, value=0.9),
        printed(combination="", settings={"alpha": 1e-3}, metric="mean_variance", value=1.11),
    )
    found = summary_of(path)
    labels = {item.label: item.headlines["average"].mean for item in found.systems}
    assert labels == {"dmrnet alpha=0.0001 [1]": 0.8, "dmrnet alpha=0.001 [1]": 0.9}
    assert found.systems[1].run_metrics["mean_variance"].mean == 1.11
    report = build_report([path, make_run("sf-md", modalities=("a", "b"))], tmp_path / "out")
    assert "dmrnet alpha=0.001 [1]" in report.page.read_text()


def test_fewer_combinations_than_were_run(make_run, publish):
    runs = [make_run("sf-md", s, modalities=("a", "b")) for s in range(2)]
    found = summary_of(*runs, publish(printed()))
    assert found.compared == ("a", "b", "a+b")
    theirs = found.systems[1]
    assert set(theirs.headlines) == set()
    cells = [row[3].text for row in combination_table(found, found.combinations).rows]
    assert cells == ["90.0", "-", "-"]


def test_seeds_and_errors_that_are_published(publish):
    rows = [r for s, d in ((0, -0.1), (1, 0.1)) for r in three(seed=s, method="seeded")]
    for place, row in enumerate(rows):
        row["value"] += -0.01 if place < 3 else 0.01
    found = summary_of(publish(*rows, *three(se=0.02)))
    seeded, stated = found.systems
    assert seeded.seeds == (0, 1)
    assert seeded.scores["a"].se == pytest.approx(0.01)
    assert (stated.seeds, stated.scores["a"].se) == ((), 0.02)
    assert main_table(found).rows[0][1].text == "2"


def test_two_sources_are_two_systems(publish):
    found = summary_of(publish(*three(), *three(source="Table 2", method="dmrnet")))
    assert [item.label for item in found.systems] == ["dmrnet [1]", "dmrnet [2]"]
    assert found.sources == (SOURCE, "Table 2")


@pytest.mark.parametrize("change", [{"value": 0.8}, {"se": 0.1}, {"seed": 1}])
def test_rows_that_disagree_are_refused(publish, change):
    with pytest.raises(ValueError, match=r"two published rows of .* disagree"):
        summary_of(publish(printed(), printed(**change)))


def test_a_repeated_row_counts_once(publish):
    assert summary_of(publish(*three(), *three())) == summary_of(publish(*three()))


def test_modalities_in_another_order(make_run, publish):
    run = make_run("sf-md", modalities=("a", "b"))
    found = summary_of(run, publish(printed(combination="b+a")))
    assert found.systems[1].headlines["full"].mean == 0.9


def test_stands_beside_every_variant_of_its_data(make_run, publish):
    runs = [
        make_run("sf-md", name=name, dataset=name, modalities=("a", "b"))
        for name in ("mfeat (shot=1)", "mfeat (shot=2)", "other")
    ]
    found = summarise(read_runs([*runs, publish(*three())], "test"), "test", "sf-md")
    assert [(item.dataset, len(item.systems)) for item in found] == [
        ("mfeat (shot=1)", 2), ("mfeat (shot=2)", 2), ("other", 1),
    ]  # fmt: skip
    # Under its whole name it stands beside that one alone.
    path = publish(*three(dataset="mfeat (shot=2)"))
    found = summarise(read_runs([*runs, path], "test"), "test", "sf-md")
    assert [len(item.systems) for item in found] == [1, 2, 1]


def test_a_folder_of_files(publish, lines):
    path = publish(*three())
    lines(path.parent / "more.jsonl", three(method="another"))
    assert [item.label for item in summary_of(path.parent).systems] == ["another [1]", "dmrnet [1]"]


def test_rows_of_another_split_are_none(publish):
    with pytest.raises(ValueError, match="expected val rows in every run"):
        read_runs([publish(*three())], "val")


@pytest.mark.usefixtures("no_pictures")
def test_page_and_terminal_say_where_it_stands(make_run, publish, tmp_path):
    runs = [make_run("sf-md", s, modalities=("a", "b")) for s in range(2)]
    report = build_report([*runs, publish(*three())], tmp_path / "out")
    for text in (report.page.read_text(), report.markdown.read_text().replace("\\", "")):
        assert f"[1] {SOURCE}" in text
        assert "as printed" in text
    stream = io.StringIO()
    Console(file=stream, width=200).print(terminal_table(report.summaries))
    assert f"[1] {SOURCE}" in " ".join(stream.getvalue().split())


@pytest.mark.usefixtures("no_pictures")
def test_what_the_paper_prints_by_itself(capsys, tmp_path):
    main(["report", "--printed", "table1", "--out", str(tmp_path / "out")])
    output = capsys.readouterr().out
    assert "casia-surf, ACER in percent on test" in output
    assert "Wei et al., ECCV 2024, Table 1" in output
    for word in ("no baseline", "over seeds", "one seed"):
        assert word not in output
    assert (tmp_path / "out" / "report.tex").is_file()


def test_the_example_in_the_docs(pages_example, tmp_path, lines):
    rows = [json.loads(line) for line in pages_example.splitlines()]
    assert rows
    assert summary_of(lines(tmp_path / "docs.jsonl", rows)).systems


@pytest.fixture
def pages_example():
    page = Path(__file__).parents[3] / "docs" / "how-to" / "compare-methods.md"
    return re.search(r"```json\n(.*?)```", page.read_text(), flags=re.DOTALL)[1]
