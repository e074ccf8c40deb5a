"""The records of a run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmrnet.engine.run.folder import RunFolder
from dmrnet.storage import json_lines


def test_rows_of_one_split_replace_their_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.rows() == []
    more = {"combination": "a", "metric": "accuracy", "n": 4}
    folder.put_rows("val", [{"split": "val", "value": 1} | more])
    folder.put_rows("test", [{"split": "test", "value": 2} | more])
    rows = [{"split": "val", "value": value} | more for value in (3, None)]
    folder.put_rows("val", rows)
    assert [(row["split"], row["value"]) for row in folder.rows()] == [
        ("test", 2),
        ("val", 3),
        ("val", None),
    ]


def test_records_begin_again_at_an_epoch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin_at(0)
    assert folder.metrics.read_text() == "epoch,metric,value\n"
    for epoch in range(12):
        folder.add_metrics(epoch, {"loss": epoch / 3, "task": 1e-20})
        folder.add_variance([{"epoch": epoch, "n": 1}, {"epoch": epoch, "n": 2}])
    for epoch in (20, 11, 3):
        folder.begin_at(epoch)
        epochs = [int(x.split(",")[0]) for x in folder.metrics.read_text().splitlines()[1:]]
        assert epochs == [e for e in range(min(epoch, 12)) for _ in range(2)]
        assert len(folder.variance.read_text().splitlines()) == 2 * min(epoch, 12)
    # Every digit of a figure is kept.
    assert f"2,loss,{2 / 3!r}\n" in folder.metrics.read_text()


def test_an_empty_folder_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no run"):
        RunFolder(tmp_path).read_facts()


def test_a_fact_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_facts(first=True, finished=True)
    with pytest.raises(ValueError, match=r"run\.json: expected a number as max_epochs, got none"):
        folder.fact("max_epochs")
    folder.write_facts(max_epochs=3)
    assert folder.fact("max_epochs") == 3


def test_facts_add_up(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_facts(first=True, a=1, finished=False)
    started = folder.read_facts()["started"]
    folder.write_facts(finished=True)
    facts = folder.read_facts()
    assert facts["a"] == 1
    assert facts["finished"] is True
    assert facts["started"] == started


def test_files_that_are_of_no_run_stay(tmp_path: Path) -> None:
    RunFolder(tmp_path / "new" / "folder").check_own()
    (tmp_path / "notes.txt").write_text("mine")
    RunFolder(tmp_path).check_own()
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(FileExistsError, match=r"config\.yaml exists and is of no run"):
        RunFolder(tmp_path).check_own()
    RunFolder(tmp_path).write_facts(first=True, finished=False)
    RunFolder(tmp_path).check_own()
    (tmp_path / "run.json").write_text('{"mine": 1}')
    with pytest.raises(FileExistsError):
        RunFolder(tmp_path).check_own()


def test_a_folder_removed_in_training_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run\.json is gone: it, or its folder"):
        RunFolder(tmp_path / "gone").write_facts(finished=True)
    assert not (tmp_path / "gone").exists()


def test_rows_without_what_every_row_has_are_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    row = {"split": "val", "combination": "a", "metric": "accuracy", "value": 0.5, "n": 3}
    folder.results.write_text(json_lines([row, row | {"value": None}]))
    assert len(folder.rows()) == 2
    for key, value in (("n", True), ("value", "high"), ("split", None), ("metric", 1)):
        folder.results.write_text(json_lines([row, row | {key: value}]))
        with pytest.raises(ValueError, match=rf"results\.jsonl:2: expected .* as {key}, got"):
            folder.rows()
        short = {name: value for name, value in row.items() if name != key}
        folder.results.write_text(json_lines([short]))
        with pytest.raises(ValueError, match=rf"results\.jsonl:1: expected .* as {key}, got none"):
            folder.rows()
    epoch = {"epoch": 0, "combination": "a", "mean_variance": None, "mean_loss": 1.0, "n": 2}
    folder.variance.write_text(json_lines([epoch | {"hard": False}]))
    assert folder.statistics()[0]["hard"] is False
    folder.variance.write_text(json_lines([epoch]))
    with pytest.raises(ValueError, match="expected true or false as hard, got none; restore"):
        folder.statistics()


@pytest.mark.parametrize(("key", "value"), [("inputs", 3), ("classes", "ab"), ("max_epochs", "x")])
def test_facts_of_another_kind_are_named(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"finished": True, key: value}))
    with pytest.raises(ValueError, match=rf"run\.json: expected a .* as {key}, got .*; restore"):
        RunFolder(tmp_path).read_facts()
    (tmp_path / "metrics.csv").write_bytes(b"epoch,metric,value\n\xff\n")
    with pytest.raises(ValueError, match=r"metrics\.csv: expected text"):
        RunFolder(tmp_path).losses()
