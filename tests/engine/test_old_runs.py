"""Run folders of the version before the rooms: they open, evaluate, predict, analyse and report.

`old_runs` holds two runs as that version (commit 2cb5277) left them by ``fit``, ``evaluate``,
``evaluate --analyse`` and ``predict``, without what is large. The data of one of them have moved
since, together with it. Never make them anew: they stand for what users have.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.predict import predict_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.report import build_report
from dmrnet.settings.config import read_config

OLD_RUNS = Path(__file__).with_name("old_runs")
NAMES = ("mfeat-dmrnet", "arrays-dmrnet")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD_RUNS, tmp_path / "runs"))


def assert_same_rows(rows: list[dict[str, Any]], old: list[dict[str, Any]]) -> None:
    """Assert that rows say the same, up to the last digits that another processor may change."""
    assert [{**row, "value": None} for row in rows] == [{**row, "value": None} for row in old]
    for row, before in zip(rows, old, strict=True):
        value = before["value"]
        assert row["value"] == (value if value is None else pytest.approx(value, 1e-4, 1e-6)), row


@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_evaluates_to_the_same_rows(runs: Path, name: str) -> None:
    old, run = RunFolder(OLD_RUNS / name), open_run(runs / name)
    evaluate_run(run)
    # Later versions measure more; what was measured then is as it was.
    known = {(row["split"], row["metric"]) for row in old.rows()}
    rows = [row for row in run.folder.rows() if (row["split"], row["metric"]) in known]
    assert_same_rows(rows, old.rows())
    facts, before = run.folder.read_facts(), old.read_facts()
    assert facts.pop("evaluated").keys() >= before.pop("evaluated").keys()
    assert facts == before
    if old.predictions.is_file():
        with np.load(run.folder.predictions) as now, np.load(old.predictions) as kept:
            assert set(kept.files) <= set(now.files)
            for key in kept.files:
                if kept[key].dtype.kind == "f":
                    np.testing.assert_allclose(now[key], kept[key], atol=1e-5)
                else:
                    np.testing.assert_array_equal(now[key], kept[key])


def test_an_old_run_predicts_the_same(runs: Path) -> None:
    run = open_run(runs / "arrays-dmrnet")
    with (OLD_RUNS / "data" / "predicted.csv").open(newline="") as stream:
        old = list(csv.DictReader(stream))
    _, rows, probabilities = predict_run(run, str(runs / "data" / "test.npz"))
    assert rows.tolist() == [int(line["sample"]) for line in old]
    expected = [[float(line[f"p({name})"]) for name in run.task.classes] for line in old]
    torch.testing.assert_close(probabilities, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_an_old_run_is_analysed_to_the_same_rows(runs: Path) -> None:
    old = RunFolder(OLD_RUNS / "arrays-dmrnet").analysis_rows()
    names = list(dict.fromkeys(row["analysis"] for row in old))
    assert_same_rows(analyse_run(runs / "arrays-dmrnet", names), old)
    # Since then a channel of zeros has no distance as printed (Eq. 14-15); the rest is as before.
    pairs = list(zip(analyse_run(runs / "arrays-dmrnet", names, again=True), old, strict=True))
    kept = [(now, before) for now, before in pairs if "printed" not in before["metric"]]
    assert len(kept) >= len(old) / 2
    assert_same_rows([now for now, _ in kept], [before for _, before in kept])


@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_is_known_as_finished(runs: Path, name: str) -> None:
    """The same settings find it done; ``config.yaml`` means what it did."""
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    settings = read_config(runs / name / "config.yaml")
    if name == "arrays-dmrnet":
        text = (runs / name / "config.yaml").read_text()
        (runs / "moved.yaml").write_text(text.replace("/elsewhere", str(runs)))
        settings = read_config(runs / "moved.yaml")
        (runs / "moved.yaml").unlink()
    assert not fit_run(settings, runs / name)
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("no_pictures")
def test_old_runs_are_reported(tmp_path: Path) -> None:
    report = build_report([OLD_RUNS / name for name in NAMES], tmp_path / "report")
    assert len(report.summaries) == len(NAMES)
    for name, summary in zip(NAMES, report.summaries, strict=True):
        (system,) = summary.systems
        assert system.label.startswith("dmrnet ")
        assert {combination: score.mean for combination, score in system.scores.items()} == {
            row["combination"]: row["value"]
            for row in RunFolder(OLD_RUNS / name).rows()
            if (row["split"], row["metric"]) == ("test", "accuracy")
        }
    assert "angles" in report.page.read_text()
