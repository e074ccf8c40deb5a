"""The accuracy on one incomplete test set, and the classifiers that a study fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.studies.here import run_here

from dmrnet.cli import main
from dmrnet.cli.study.end import incomplete
from dmrnet.peers.runs import make_peers
from dmrnet.peers.table import table_of
from dmrnet.settings.config import parse_run
from dmrnet.studies.form import study_of
from dmrnet.studies.incomplete import incomplete_score

FLAGS = ["--data", "cancer", "--data.rows", "60", "--data.missing", "0.3"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    names = ["logistic-late", "boosting"]
    return make_peers(parse_run(FLAGS), tmp_path_factory.mktemp("peers"), names)


def test_it_is_what_the_classifier_says_of_the_incomplete_rows(folders: list[Path]) -> None:
    score = incomplete_score(folders[0], 0.3)
    assert score is not None
    assert score.missing == pytest.approx(0.3, abs=0.05)
    # Without a draw: a rate of next to nothing leaves every row whole.
    whole = incomplete_score(folders[0], 1e-9)
    rows = [json.loads(line) for line in (folders[0] / "results.jsonl").read_text().splitlines()]
    full = next(
        row["value"]
        for row in rows
        if row["split"] == "test"
        and row["metric"] == "accuracy"
        and row["combination"] == "mean+error+worst"
    )
    assert whole is not None
    assert whole.accuracy == pytest.approx(full)
    # As if predicted anew under the masks, which differ by row.
    from dmrnet.peers.classifiers import fit

    splits = parse_run(FLAGS).data.load(0)
    assert splits.test is not None
    tables = [table_of(part) for part in (splits.train, splits.val, splits.test)]
    predict = fit("logistic-late", tables[0], tables[1], 0)
    masks = drawn(tables[2].present)
    right = predict(tables[2], masks).argmax(1) == tables[2].target
    assert score.accuracy == pytest.approx(right.mean())


def drawn(present: np.ndarray) -> np.ndarray:
    import torch

    from dmrnet.data.splits.missing import thinned
    from dmrnet.data.splits.split import generator

    label = "cancer (rows=60, missing=0.3)"
    draw = generator(0, "incomplete test", label, "0.3")
    return thinned(torch.from_numpy(present), 0.3, draw).numpy()


def test_every_system_has_the_same_masks_and_the_rows_are_written(
    folders: list[Path], tmp_path: Path
) -> None:
    tables = incomplete(folders, 0.3, "logistic-late (scikit-learn)", {}, (), tmp_path)
    (table,) = tables.values()
    assert [len(row) for row in table.rows] == [4, 4]
    lines = (tmp_path / "report" / "incomplete.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["missing"] for row in rows} == {rows[0]["missing"]}
    assert {row["metric"] for row in rows} == {"accuracy_incomplete"}
    assert "Accuracy" in (tmp_path / "report" / "incomplete.md").read_text()


def test_missing_leaves_the_test_set_and_one_modality_of_each_sample() -> None:
    splits = parse_run(FLAGS).data.load(0)
    assert splits.test is not None
    for part in (splits.train, splits.val):
        assert bool(part.present.any(1).all())
        assert 0.15 < 1 - float(part.present.double().mean()) < 0.45
    assert bool(splits.test.present.all())
    assert sum("at random" in note for note in splits.notes) == 2
    whole = parse_run(FLAGS[:4]).data.load(0)
    assert splits.train.samples == whole.train.samples


@pytest.mark.usefixtures("no_pictures")
def test_a_study_reports_them_next_to_its_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dmrnet.studies.run_jobs", run_here)
    content = {
        "methods": ["sf-md"],
        "peers": ["logistic-late"],
        "incomplete": 0.3,
        "data": {"cancer": {"rows": 60, "missing": 0.3}},
        "seeds": 1,
        "settings": {"max-epochs": 1, "method.network.width": 32},
    }
    (tmp_path / "mine.yaml").write_text(json.dumps(content))
    out = tmp_path / "out"
    assert main(["study", str(tmp_path / "mine.yaml"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "logistic-late (scikit-learn)" in said
    assert "the same incomplete test set for every system" in said
    written = (out / "report" / "incomplete.md").read_text()
    # By name, without the settings that every run of the study has.
    assert "| sf-md |" in written
    assert "Better than sf-md by" in written
    assert len([*(out / "peers").iterdir()]) == 1


@pytest.mark.parametrize("rate", [0.9, -0.1])
def test_a_rate_that_cannot_be_reached_is_refused(rate: float) -> None:
    settings = parse_run(["--data", "cancer", "--data.missing", str(rate)])
    with pytest.raises(ValueError, match=r"cancer: expected missing from 0 to below 0\.667"):
        settings.data.load(0)


def test_the_keys_of_a_study() -> None:
    study = study_of({"methods": ["sf-md"], "peers": ["boosting"], "incomplete": 0.3})
    assert study.peers == ("boosting",)
    assert study.incomplete == 0.3
    with pytest.raises(ValueError, match="peers: unknown classifier 'bosting'; did you mean"):
        study_of({"methods": ["sf-md"], "peers": ["bosting"]})
    with pytest.raises(ValueError, match="incomplete: expected a probability"):
        study_of({"methods": ["sf-md"], "incomplete": 1.5})
