"""A row of another form is an error that names file, line and what was expected."""

from __future__ import annotations

import re

import pytest

from dmrnet.report.records.rows import RowError, parse_row, read_rows, unique


def test_reads_what_the_schema_says(tmp_path, good_row, lines):
    path = lines(tmp_path / "rows.jsonl", [good_row(), good_row(value=None, n=0, seed=3)])
    first, second = read_rows(path)
    assert (first.method, first.combination, first.value, first.n) == ("dmrnet", "fou", 0.9, 400)
    assert (second.value, second.n, second.seed) == (None, 0, 3)


def test_empty_lines_are_skipped_and_counted(tmp_path, good_row, lines):
    path = lines(tmp_path / "rows.jsonl", [good_row()])
    path.write_text("\n\n" + path.read_text() + "\n")
    assert len(read_rows(path)) == 1
    path.write_text("\n\n{}\n")
    with pytest.raises(RowError, match=re.escape(f"{path}:3: expected the keys")):
        read_rows(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"run": "a", "meth', "expected a JSON object, got"),
        ("[1, 2]", "expected a JSON object, got list"),
        ("\udcff", "expected a JSON object, got"),
        ("[" * 100_000, "expected a JSON object, got"),
    ],
)
def test_a_corrupt_line_is_named(tmp_path, good_row, lines, line, message):
    path = lines(tmp_path / "rows.jsonl", [good_row()])
    with path.open("a", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(line)
    with pytest.raises(RowError, match=re.escape(f"{path}:2: {message}")):
        read_rows(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": 3}, "expected 'method' to be printable text, got 3"),
        ({"method": ""}, "expected 'method' to be printable text, got ''"),
        ({"dataset": "a\nb"}, "expected 'dataset' to be printable text"),
        ({"dataset": "a\u202eb"}, "expected 'dataset' to be printable text"),
        ({"settings": []}, "expected 'settings' to be an object"),
        ({"split": "train"}, "expected 'split' to be 'val' or 'test', got 'train'"),
        ({"seed": 1.0}, "expected 'seed' to be an integer, got 1.0"),
        ({"seed": True}, "expected 'seed' to be an integer, got True"),
        ({"n": -1}, "expected 'n' to be an integer not below 0"),
        ({"value": "0.9"}, "'value' to be a finite number"),
        ({"value": True}, "'value' to be a finite number"),
        ({"value": float("nan")}, "'value' to be a finite number"),
        ({"value": float("inf")}, "'value' to be a finite number"),
        ({"value": 10**400}, "'value' to be a finite number"),
        ({"value": 90.5}, "divide percentages by 100"),
        ({"value": -0.1}, "expected accuracy as a fraction"),
        ({"combination": "fou++pix"}, "expected 'combination' to be different modalities"),
        ({"combination": "fou+fou"}, "expected 'combination' to be different modalities"),
        ({"combination": ""}, "expected accuracy with a combination, got none"),
        ({"extra": 1}, "with unknown 'extra'"),
    ],
)
def test_a_wrong_value_is_named(good_row, changes, message):
    with pytest.raises(RowError, match=re.escape(message)) as caught:
        parse_row(good_row(**changes), "runs/a/results.jsonl:7")
    assert str(caught.value).startswith("runs/a/results.jsonl:7: ")


@pytest.mark.parametrize("key", ["run", "settings", "value", "n"])
def test_a_missing_key_is_named(good_row, key):
    record = good_row()
    del record[key]
    with pytest.raises(RowError, match=f"without {key}"):
        parse_row(record)


@pytest.mark.parametrize("metric", ["parameters", "best_epoch", "anything_else"])
def test_numbers_of_the_whole_run_have_no_combination(good_row, metric):
    assert parse_row(good_row(metric=metric, combination="", value=184320)).value == 184320


def test_repeated_rows_count_once(good_row):
    rows = [parse_row(good_row()), parse_row(good_row(run="a copy")), parse_row(good_row(seed=1))]
    assert unique([("a", rows[0]), ("a", rows[1]), ("b", rows[2])]) == [rows[0], rows[2]]


@pytest.mark.parametrize("changes", [{"value": 0.8}, {"value": None}, {"n": 399}])
def test_rows_that_disagree_are_refused(good_row, changes):
    rows = [parse_row(good_row(run="one")), parse_row(good_row(run="two", **changes))]
    with pytest.raises(ValueError, match=r"runs 'one' and 'two' disagree.*leave one"):
        unique(("same", row) for row in rows)


def test_wall_clock_time_may_differ(good_row):
    rows = [
        parse_row(good_row(metric="train_seconds", combination="", value=v)) for v in (3.0, 4.0)
    ]
    assert unique(("same", row) for row in rows) == rows[:1]
