"""Run folders are read through their files; an error says how to mend what cannot be reported."""

from __future__ import annotations

import json
import re

import pytest

from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs


def test_reads_a_folder(make_run):
    run = make_run()
    (read,) = read_runs([run], "test")
    assert read.path == run
    assert read.modalities == ("fou", "fac", "kar", "pix", "zer", "mor")
    assert read.commit == "0123456789abcdef"
    assert read.is_folder


def test_mining_statistics_are_those_of_the_last_epoch(make_run):
    (read,) = read_runs([make_run()], "test")
    assert len(read.mining) == 63
    assert max(item.mean_variance for item in read.mining) < 9
    assert sum(item.hard for item in read.mining) == 6


def test_mining_statistics_are_those_of_the_epoch_whose_weights_are_kept(make_run):
    run = make_run()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"best_epoch": 0}))
    (read,) = read_runs([run], "test")
    assert read.epoch == 1
    assert {item.mean_variance for item in read.mining} == {9.0}
    assert not any(item.hard for item in read.mining)


def test_a_folder_of_runs_and_a_run_named_twice(make_run, caplog):
    runs = [make_run(seed=seed) for seed in range(3)]
    unfinished = make_run(seed=3)
    (unfinished / "results.jsonl").unlink()
    read = read_runs([runs[1], runs[0].parent, runs[1]], "test")
    assert [run.path for run in read] == [runs[1], runs[0], runs[2]]
    assert f"not finished: {unfinished}" in caplog.text


def test_a_folder_of_a_study(make_run):
    runs = [make_run(seed=seed) for seed in range(2)]
    study = runs[0].parent.parent
    (study / "logs").mkdir()
    assert [run.path for run in read_runs([study], "test")] == runs


def test_rows_of_many_runs_in_one_file(tmp_path, good_row, lines):
    path = lines(tmp_path / "published.jsonl", [good_row(seed=s, run=f"r{s}") for s in range(3)])
    (read,) = read_runs([path], "test")
    assert len(read.rows) == 3
    assert not read.is_folder
    assert read.modalities == read.mining == ()


def test_no_test_rows_says_to_evaluate(make_run):
    run = make_run(splits=("val",))
    with pytest.raises(ValueError, match=re.escape(f"run `dmrnet evaluate {run}`")):
        read_runs([run], "test")
    assert read_runs([run], "val")


def test_an_unfinished_run_says_so(make_run):
    run = make_run()
    (run / "results.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="its training has not finished"):
        read_runs([run], "test")


def test_nothing_there(tmp_path, lines):
    with pytest.raises(FileNotFoundError, match="it is none of them"):
        read_runs([tmp_path / "nowhere"], "test")
    with pytest.raises(ValueError, match="at least one run folder"):
        read_runs([], "test")
    with pytest.raises(RowError, match="got an empty file"):
        read_runs([lines(tmp_path / "empty.jsonl", [])], "test")


def test_a_folder_holds_one_training(tmp_path, good_row, lines):
    lines(tmp_path / "run" / "results.jsonl", [good_row(), good_row(seed=1)])
    with pytest.raises(RowError, match="one training, got 2"):
        read_runs([tmp_path / "run"], "test")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", "expected a JSON object, got '{'"),
        ("run.json", "[]", "expected a JSON object, got list"),
        ("variance.jsonl", '{"epoch": 1}\n', "expected 'hard' to be true or false, got None"),
        (
            "variance.jsonl",
            json.dumps({"epoch": 1, "combination": "a", "mean_variance": "x", "hard": True}),
            "expected 'mean_variance' to be a finite number",
        ),
    ],
)
def test_a_corrupt_file_is_named(make_run, file, content, message):
    run = make_run()
    (run / file).write_text(content)
    with pytest.raises(RowError, match=message) as caught:
        read_runs([run], "test")
    assert str(caught.value).startswith(str(run / file))


def test_a_commit_may_be_unknown(make_run):
    run = make_run()
    (run / "run.json").write_text(json.dumps({"commit": None, "modalities": ["fou"]}))
    assert read_runs([run], "test")[0].commit == ""
    (run / "run.json").unlink()
    assert read_runs([run], "test")[0].modalities == ()
